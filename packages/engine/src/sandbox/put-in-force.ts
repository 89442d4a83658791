import { isDeepStrictEqual } from 'node:util';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { governanceOf, policyOf } from '../guest/governance.ts';
import { trustAuthority } from '../guest/trust.ts';
import { loadTemplate } from '../images/load-template.ts';
import type { SandboxChange, SandboxRecord } from '../ports/store.ts';
import { needsAuthority, newAuthority, placeholdersOf } from '../secrets/keep.ts';
import { connectTo } from './find.ts';
import { environmentOf } from './identity.ts';

/**
 * Changes the policy or the secrets of a sandbox in its record and, where it runs, in its guest and in the egress
 * process. What is taken away is gone first, and what is given is there before the guest knows of it. The caller has
 * its turn.
 */
export async function putInForce(
  context: EngineContext,
  record: SandboxRecord,
  change: Pick<SandboxChange, 'config' | 'secrets'>,
  signal: AbortSignal | undefined,
): Promise<SandboxRecord> {
  const { id, state } = record;
  const hasMachine = state === 'running' || state === 'paused';
  const wanted: SandboxRecord = { ...record, ...change };
  const isNew = record.authority === null && needsAuthority(policyOf(context.store, wanted), wanted.secrets);
  const authority = isNew ? newAuthority(context.seals) : record.authority;
  const next: SandboxRecord = { ...wanted, authority };
  const [before, after] = [placeholdersOf(record.secrets), placeholdersOf(next.secrets)];
  const isGiven = isNew || Object.keys(after).some((name) => after[name] !== before[name]);
  // A guest that is paused cannot be given anything, but much can be taken from it.
  const reaches = isGiven ? hasMachine : state === 'running' && !isDeepStrictEqual(before, after);
  const agent = hasMachine && reaches ? (await connectTo(context, record, signal)).agent : null;
  if (agent !== null && isNew && authority !== null) await trustAuthority(agent, authority.certificate, { signal });
  if (hasMachine) await context.network.govern(id, governanceOf(context, next) ?? null, signal);
  if (agent !== null) {
    const { template } = await loadTemplate(context.layout, next.config.templateId, next.config.architecture);
    await agent.configure({ env: environmentOf(next, template.env) }, { signal });
  }
  const changed = context.store.changeSandbox(id, [state], { ...change, authority });
  if (changed === null) throw new NovaError('conflict', `The sandbox ${record.name ?? id} has changed meanwhile.`);
  return changed;
}
