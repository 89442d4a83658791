import { NovaError, type ContinuedConfigInput, type SandboxInfo } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { copyDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { withDefaultPolicy } from '../guest/governance.ts';
import { bootAgain } from '../sandbox/boot.ts';
import { diskOf, writableDiskFile } from '../sandbox/disk.ts';
import { bootFromMemory } from '../sandbox/boot-from-memory.ts';
import { makeSandbox } from '../sandbox/create.ts';
import { sweep } from '../sandbox/reconcile.ts';
import { findNetworks } from '../sandbox/networks.ts';
import { findVolumes } from '../sandbox/volumes.ts';
import type { CreateContext } from '../services.ts';
import { join } from 'node:path';
import { requireWhole } from '../memory/kept.ts';
import { planContinued } from '../sandbox/plan-continued.ts';
import { continuedConfig, memoryOf } from './continue.ts';
import { findSnapshot } from './find.ts';

/** Makes a sandbox that goes on from a snapshot. After an error or an abort nothing is left. */
export async function createFromSnapshot(
  context: EngineContext,
  ref: string,
  own: ContinuedConfigInput = {},
  options: CreateContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const snapshot = findSnapshot(context, ref);
  const config = withDefaultPolicy(context, continuedConfig(snapshot, own));
  const withMemory = snapshot.kind === 'memory' && own.memory !== false;
  if (withMemory && own.volumes !== undefined)
    throw new NovaError('not_implemented', 'volumes: a sandbox that goes on from memory has the disks that it knows.', {
      hint: 'Leave out volumes, or let it boot from the disk alone (memory: false).',
    });
  throwIfAborted(options.signal, 'before anything was made');
  await sweep(context);
  const volumes = findVolumes(context, config, options.scope);
  const networks = findNetworks(context, config, options.scope);
  const wanted = { config, volumes, networks, startedAt, snapshotId: snapshot.id, names: snapshot.names };
  if (withMemory) {
    const memory = await memoryOf(context, snapshot, options.signal);
    const plan = await planContinued(context, config, snapshot, options);
    return makeSandbox(context, { ...wanted, plan }, options, (boot) =>
      bootFromMemory(context, boot, memory, { asAnother: true, parentId: snapshot.sandboxId }),
    );
  }
  await requireWhole(context.layout.snapshot(snapshot.id), snapshot.id, options.signal);
  const plan = await planContinued(context, config, { ...snapshot, bootedFrom: null }, options);
  return makeSandbox(context, { ...wanted, plan }, options, async (boot) => {
    const source = join(context.layout.snapshot(snapshot.id), writableDiskFile);
    await copyDisk(source, diskOf(context, boot.record), options);
    return bootAgain(context, boot);
  });
}
