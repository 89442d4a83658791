import { join } from 'node:path';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';

/** Name of a sandbox's writable layer in its folder. */
export const writableDiskFile = 'disk.raw';

/** The sandbox's writable layer. */
export function diskOf({ layout }: Pick<EngineContext, 'layout'>, { id }: Pick<SandboxRecord, 'id'>): string {
  return join(layout.sandbox(id), writableDiskFile);
}
