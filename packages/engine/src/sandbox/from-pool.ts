import { isNovaError, NovaError, toNovaError, type PoolMiss, type SandboxInfo } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { canClone, shapeDigest } from '../golden/shape.ts';
import { goOn } from '../guest/bring-up.ts';
import { governanceOf } from '../guest/governance.ts';
import { trustOwn } from '../guest/trust.ts';
import { guestImages, type GuestImages } from '../guest/guest-spec.ts';
import type { SandboxPlan } from '../guest/plan.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { AskedShape } from '../ports/warm-pool.ts';
import type { CreateContext } from '../services.ts';
import { prioritise } from '../vmm/priority.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { attachMachine } from './attach-machine.ts';
import { bootedFrom, identityFor, type Booted } from './boot.ts';
import { handOver, newRecord, type NewSandbox } from './create.ts';
import { deleteSandbox, endProcessesOf } from './delete.ts';
import { toInfo } from './info.ts';
import { dismissEnder } from './left-clone.ts';
import { whyUnpoolable } from './pool-fields.ts';

/** Time for a paused clone to go on and answer, ms. A slower one is not waited for, because another is made. */
const answersWithinMs = 5000;
/** A second clone may be whole where the first is not; after that the pool is not trusted for this create. */
const maxAttempts = 2;

/**
 * Makes a sandbox of a clone from the warm pool: lets it go on, and has it take on the sandbox's identity and settings.
 * Null where there is no clone for it, or none that works, so that one has to be made. After an error or an abort
 * nothing is left of the sandbox; a clone that was taken never goes back.
 */
export async function createFromPool(
  context: EngineContext,
  wanted: NewSandbox,
  options: CreateContext,
): Promise<SandboxInfo | null> {
  const { store, pool } = context;
  const { config, plan } = wanted;
  if (!pool.keeps && !store.listSandboxes(['creating']).some((record) => record.pool?.ready === true)) return null;
  const reason = whyNot(wanted, options);
  if (reason !== null) {
    pool.missed(null, reason);
    return null;
  }
  const images = await guestImages(context, plan.template, options);
  const shape = await shapeDigest({ config, plan, images });
  const { memoryMb, vcpus } = plan;
  const asked: AskedShape = { config, kind: kindOf(wanted), shape, memoryMb, vcpus };
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    throwIfAborted(options.signal, 'before a clone was taken from the pool');
    const taken = store.takeFromPool(asked.shape, newRecord(context, wanted, options), options.onOtherId);
    if (taken === null) break;
    const { record, clone } = taken;
    dismissEnder(clone);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => deleteSandbox(context, record.id));
    undo.defer(() => endProcessesOf(context, record.id));
    store.joinNetworks(record.id, wanted.networks);
    const booted = await wake(context, record, asked, { plan, images }, options);
    if (booted === null) continue;
    pool.hit(asked);
    const running = await handOver(context, record, plan, booted, wanted.startedAt, options);
    undo.move();
    return toInfo(running);
  }
  // A clone that did not work had another id.
  if (options.id !== undefined) options.onOtherId?.(options.id);
  pool.missed(asked, 'empty');
  return null;
}

/** Why a sandbox cannot be one of the pool's clones: what it needs cannot be changed once a clone runs. */
function whyNot({ config, plan }: NewSandbox, { id, onOtherId }: CreateContext): PoolMiss | null {
  if (id !== undefined && onOtherId === undefined) return 'id_given';
  return whyUnpoolable(config) ?? (canClone(config, plan) && plan.driver.features.pause ? null : 'cold_boot');
}

/** Names what two shapes have in common of which one takes the place of the other. */
export function kindOf({ config, plan }: Pick<NewSandbox, 'config' | 'plan'>): string {
  const { template, driver, memoryMb, vcpus, diskSizeMb, network } = plan;
  const { template_id: templateId } = template.template;
  const { readOnlyRootfs } = config;
  return [templateId, template.architecture, driver.name, memoryMb, vcpus, diskSizeMb, network, readOnlyRootfs].join();
}

/** Failures of the clone, and not of what the sandbox is to be. */
const broken = ['vmm_failed', 'boot_failed', 'guest_unreachable', 'guest_protocol_error', 'channel_busy'] as const;

/** Lets the clone go on as that sandbox; null where it does not answer. */
async function wake(
  context: EngineContext,
  record: SandboxRecord,
  asked: AskedShape,
  { plan, images }: { readonly plan: SandboxPlan; readonly images: GuestImages },
  { signal }: CreateContext,
): Promise<Booted | null> {
  const session = context.pool.unpark(record.id);
  try {
    const machine = session?.machine ?? (await attachMachine(context, record));
    if (machine === null || !isAlive(machine.record)) {
      machine?.release();
      await session?.agent[Symbol.asyncDispose]();
      context.pool.discarded(asked, 'vmm_ended', new NovaError('vmm_failed', 'The VMM of the clone has ended.'));
      return null;
    }
    await prioritise(machine.record, 'usual');
    // The clone was made without a policy, and has not run since then.
    const governance = governanceOf(context, record);
    if (governance !== undefined) await context.network.govern(record.id, governance, signal);
    const guest = await goOn(context, {
      machine,
      session: session ?? undefined,
      identity: () => identityFor(record, plan),
      timeoutMs: answersWithinMs,
      signal,
    });
    await trustOwn(guest.agent, record, signal);
    return { guest, kind: 'snapshot', from: bootedFrom({ record, plan }, images) };
  } catch (error) {
    const cause = toNovaError(error);
    if (signal?.aborted === true || !isNovaError(cause, ...broken)) throw error;
    context.pool.discarded(asked, 'no_answer', cause);
    return null;
  }
}
