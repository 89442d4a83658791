import type { Access } from 'novasandbox';
import { openEngine } from '../open-engine.ts';

/** Manages the keys and users of the daemon in use. */
export async function withAccess<T>(work: (access: Access) => Promise<T>): Promise<T> {
  await using engine = await openEngine();
  const { Access } = await import('novasandbox');
  return await work(new Access({ engine }));
}
