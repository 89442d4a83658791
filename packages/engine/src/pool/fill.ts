import { mkdir } from 'node:fs/promises';
import type { SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { readGoldenSnapshot, type GoldenSnapshot } from '../golden/manifest.ts';
import { markUsed } from '../golden/prune.ts';
import { canClone, shapeDigest } from '../golden/shape.ts';
import { startConnecting } from '../guest/connection.ts';
import { guestImages, type GuestImages } from '../guest/guest-spec.ts';
import { planSandbox, type SandboxPlan } from '../guest/plan.ts';
import { loadTemplate } from '../images/load-template.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { ProcessIdentity } from '../ports/process-identity.ts';
import type { ParkedGuest } from '../ports/warm-pool.ts';
import { cloneOf } from '../sandbox/boot.ts';
import { connectionOf, newRecord } from '../sandbox/create.ts';
import { kindOf } from '../sandbox/from-pool.ts';
import { newSandboxId } from '../sandbox/id.ts';
import { removeFolder } from '../vmm/remove-folder.ts';

export interface PooledCloneOptions {
  readonly signal: AbortSignal;
  /** Called before the guest is paused: says who looks after it, if that is not this process, and for how long. */
  readonly entrust?: (guest: ParkedGuest) => Promise<{ readonly maker: ProcessIdentity; readonly expiresAtMs: number }>;
}

/** The parts that a clone for the pool is made of. */
export interface CloneRecipe {
  readonly config: SandboxConfig;
  readonly plan: SandboxPlan;
  readonly images: GuestImages;
  readonly kind: string;
  readonly shape: string;
  readonly snapshot: GoldenSnapshot;
}

/**
 * The parts that a clone for such sandboxes is made of; null where its image or its golden snapshot is missing. The
 * pool makes neither: the first sandbox does.
 */
export async function recipeFor(
  context: EngineContext,
  config: SandboxConfig,
  signal: AbortSignal,
): Promise<CloneRecipe | null> {
  const template = await loadTemplate(context.layout, config.templateId, config.architecture);
  if ((await context.images.builtRootImage(template)) === null) return null;
  const plan = await planSandbox(context, config, { signal });
  if (!canClone(config, plan) || !plan.driver.features.pause) return null;
  const images = await guestImages(context, plan.template, { signal });
  const shape = await shapeDigest({ config, plan, images });
  const snapshot = await readGoldenSnapshot(shape, context.layout.golden(shape));
  return snapshot === null ? null : { config, plan, images, kind: kindOf({ config, plan }), shape, snapshot };
}

/**
 * Makes a clone, has it run a command, so that what the first command needs is in memory, and pauses it. Its VMM yields
 * to those of sandboxes until it is taken. It is in the store from the beginning, with this process as its maker. After
 * an error or an abort nothing is left.
 */
export async function makePooledClone(
  context: EngineContext,
  { config, plan, images, shape, snapshot }: CloneRecipe,
  { signal, entrust }: PooledCloneOptions,
): Promise<ParkedGuest> {
  await using undo = new AsyncDisposableStack();
  const record = context.store.addSandbox({
    id: newSandboxId(),
    ...newRecord(context, { config, plan }, {}),
    pool: { shape, ready: false, expiresAtMs: null },
  });
  undo.defer(() => context.store.removeSandbox(record.id));
  const directory = context.layout.sandbox(record.id);
  await mkdir(directory, { mode: 0o700 });
  undo.defer(() => removeFolder(directory));
  const options = { signal };
  const connecting = startConnecting(undo, context, connectionOf(context, record, plan, options));
  await markUsed(snapshot.directory);
  const { guest } = await cloneOf(snapshot, context, { record, plan, connecting, options, lowPriority: true }, images);
  undo.use(guest);
  const { machine, agent, channel } = guest;
  await runFirstCommand(agent, signal);
  const parked = { machine, agent, channel };
  const { maker, expiresAtMs } = (await entrust?.(parked)) ?? { maker: record.maker, expiresAtMs: null };
  await machine.pause?.({ signal });
  const pool = { shape, ready: true, expiresAtMs };
  context.store.changeSandbox(record.id, ['creating'], { machine: machine.record, maker, pool });
  guest.keep();
  undo.move();
  return parked;
}

/** Time for the command, ms. */
const commandMs = 30_000;

async function runFirstCommand(agent: GuestAgent, signal: AbortSignal): Promise<void> {
  await agent.warm([['/bin/true']], { signal, timeoutMs: commandMs });
}
