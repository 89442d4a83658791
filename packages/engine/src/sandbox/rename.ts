import { nameSchema, NovaError, parse, sandboxStateSchema, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { governanceOf } from '../guest/governance.ts';
import { findSandbox } from './find.ts';
import { toInfo } from './info.ts';

/** Gives a sandbox another name, whatever its state. */
export async function renameSandbox(context: EngineContext, ref: string, name: string): Promise<SandboxInfo> {
  const wanted = parse(nameSchema, name, 'name');
  const record = await findSandbox(context, ref);
  const renamed = context.store.changeSandbox(record.id, sandboxStateSchema.options, { name: wanted });
  if (renamed === null) throw new NovaError('sandbox_not_found', `The sandbox ${record.id} has gone.`);
  // Other members of its private networks know it by its name.
  const governance = renamed.config.networks.length === 0 ? undefined : governanceOf(context, renamed);
  if (governance !== undefined && (renamed.state === 'running' || renamed.state === 'paused'))
    await context.network.govern(renamed.id, governance);
  return toInfo(renamed);
}
