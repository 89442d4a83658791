import { basename, join } from 'node:path';
import { NovaError, parse, takeSnapshotSchema, type SnapshotInfo, type TakeSnapshotInput } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { inOwnWorkFolder, publishFrom } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord, SnapshotRecord } from '../ports/store.ts';
import { writableDiskFile } from '../sandbox/disk.ts';
import { requireDriver } from '../sandbox/attach-machine.ts';
import { findSandbox } from '../sandbox/find.ts';
import { newSnapshotId } from '../sandbox/id.ts';
import { captureInstant } from '../sandbox/instant.ts';
import type { CreateContext } from '../services.ts';
import { takeBack } from '../vmm/ownership.ts';
import { requireContinuable } from './continuable.ts';
import { toSnapshotInfo } from './find.ts';
import { originOf } from '../memory/kept.ts';
import { allocatedBytes, writeManifest } from '../memory/manifest.ts';
import { rootIfKnown, rootInUse } from '../memory/root.ts';

/** Takes a snapshot of a sandbox. After an error or an abort nothing is left, and the sandbox is as it was. */
export async function takeSnapshot(
  context: EngineContext,
  ref: string,
  input: TakeSnapshotInput = {},
  options: CreateContext = {},
): Promise<SnapshotInfo> {
  const how = parse(takeSnapshotSchema, input, 'snapshot');
  const sandbox = await findSandbox(context, ref);
  const hasMachine = sandbox.state === 'running' || sandbox.state === 'paused';
  if (!hasMachine && sandbox.state !== 'stopped') throw cannotTake(sandbox);
  if (!hasMachine && how.memory === true)
    throw new NovaError('invalid_state', `The sandbox ${sandbox.name ?? sandbox.id} is stopped: it has no memory.`, {
      hint: 'Leave memory out, or start it first.',
    });
  const memory = hasMachine && how.memory !== false;
  requireContinuable(context, sandbox, memory);
  const root = memory ? rootInUse(context, sandbox) : rootIfKnown(context, sandbox);
  throwIfAborted(options.signal, 'before the snapshot was taken');
  const { layout, store } = context;
  const { id = newSnapshotId() } = options;
  return inOwnWorkFolder(layout.instants, id, options.signal, async (work) => {
    const instant = await captureInstant(context, sandbox, work, { memory, signal: options.signal });
    const files = memory ? (['state', instant.memory?.memoryFrom === undefined ? 'ram' : 'pages'] as const) : [];
    if (!sandbox.config.readOnlyRootfs) takeBack(join(work, writableDiskFile));
    const record: Omit<SnapshotRecord, 'sequence'> = {
      id,
      name: how.name ?? null,
      description: how.description ?? null,
      owner: options.ownership?.owner ?? sandbox.owner,
      team: options.ownership?.team ?? sandbox.team,
      kind: memory ? 'memory' : 'disk',
      labels: { ...how.labels, ...options.reservedLabels },
      sandboxId: sandbox.id,
      sandboxName: sandbox.name,
      parentId: sandbox.snapshotId,
      createdAtMs: Date.now(),
      config: sandbox.config,
      hypervisor: sandbox.hypervisor,
      memoryMb: sandbox.memoryMb,
      vcpus: sandbox.vcpus,
      diskSizeMb: sandbox.diskSizeMb,
      bootedFrom: root,
      memoryFrom: instant.memory?.memoryFrom === undefined ? null : basename(instant.memory.memoryFrom),
      memoryBytes: await allocatedBytes(work, files),
      diskBytes: await allocatedBytes(work, [writableDiskFile]),
      stoppedMs: instant.stoppedMs,
      names: memory ? await context.network.names(sandbox.id) : [],
    };
    const driver = requireDriver(context, sandbox.hypervisor);
    const origin =
      instant.memory === null
        ? { madeBy: null, memoryFrom: null }
        : await originOf(driver, sandbox, instant.memory, options.signal);
    await writeManifest(work, record, origin, options.signal);
    await options.ready?.();
    throwIfAborted(options.signal, 'while the snapshot was taken');
    await publishFrom(work, layout.snapshot(id));
    try {
      const taken = store.addSnapshot(record);
      store.changeSandbox(sandbox.id, [sandbox.state], { snapshotId: id });
      return toSnapshotInfo(taken);
    } catch (error) {
      await publishFrom(layout.snapshot(id), join(work, 'refused'));
      throw error;
    }
  });
}

const cannotTake = ({ id, name, state }: SandboxRecord): NovaError =>
  new NovaError('invalid_state', `The sandbox ${name ?? id} is ${state}: a snapshot cannot be taken now.`, {
    hint: 'Wait until it runs, is paused or has stopped.',
  });
