import { join } from 'node:path';
import { hasMachine, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { copyDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { startConnecting } from '../guest/connection.ts';
import type { SandboxRecord, SnapshotRecord } from '../ports/store.ts';
import { bootAgain, type Boot } from '../sandbox/boot.ts';
import { diskOf, writableDiskFile } from '../sandbox/disk.ts';
import { bootFromMemory } from '../sandbox/boot-from-memory.ts';
import { connectionOf, handOver } from '../sandbox/create.ts';
import { forgetDiskBefore, putDiskBack, setDiskAside } from '../sandbox/disk-before.ts';
import { beginStopping, endMachine } from '../sandbox/end.ts';
import { findSandbox } from '../sandbox/find.ts';
import { toInfo } from '../sandbox/info.ts';
import { removeKeptMemory } from '../sandbox/kept-memory.ts';
import { takeTurn } from '../sandbox/turn.ts';
import { takeVolumes } from '../sandbox/volumes.ts';
import type { BuildContext } from '../services.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { requireWhole } from '../memory/kept.ts';
import { planContinued } from '../sandbox/plan-continued.ts';
import { memoryOf } from './continue.ts';
import { findSnapshot } from './find.ts';

/**
 * Takes a sandbox back to a snapshot. Nothing of it is touched before it is known that the snapshot can be used; when
 * its guest does not come up, the sandbox is left with the disk that it had: hibernated as it was, or stopped.
 */
export async function restoreSandbox(
  context: EngineContext,
  ref: string,
  snapshotRef: string,
  options: BuildContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const sandbox = await findSandbox(context, ref);
  const snapshot = snapshotFor(context, sandbox, snapshotRef);
  const withMemory = snapshot.kind === 'memory';
  const memory = withMemory ? await memoryOf(context, snapshot, options.signal) : null;
  if (memory === null) await requireWhole(context.layout.snapshot(snapshot.id), snapshot.id, options.signal);
  const from = withMemory ? snapshot : { ...snapshot, bootedFrom: null };
  // It holds its own port until it is stopped, so that the port counts as in use.
  const { hostPort: _, ...config } = sandbox.config;
  const plan = await planContinued(context, config, from, { ...options, ownership: sandbox });

  const stopped = await stopForRestore(context, sandbox);
  const creating = context.store.changeSandbox(stopped.id, ['stopped', 'hibernated'], {
    state: 'creating',
    maker: ownIdentity(),
    goesWithMaker: false,
    reason: null,
  });
  if (creating === null) throw cannotRestore(context.store.findSandbox(stopped.id) ?? stopped);
  const { memoryMb, vcpus, diskSizeMb } = snapshot;
  const record: SandboxRecord = { ...creating, memoryMb, vcpus, diskSizeMb, names: snapshot.names };
  await using undo = new AsyncDisposableStack();
  undo.defer(
    () =>
      void context.store.changeSandbox(record.id, ['creating'], {
        state: record.sleep === null ? 'stopped' : 'hibernated',
        maker: null,
        machine: null,
        goesWithMaker: undefined,
        reason: 'it could not be taken back to a snapshot',
      }),
  );
  await setDiskAside(context, record.id);
  undo.defer(() => putDiskBack(context, record.id));
  await takeVolumes(context, { record, plan }, options);
  const connecting = startConnecting(undo, context, connectionOf(context, record, plan, options));
  const boot: Boot = { record, plan, connecting, options };
  if (memory === null)
    await copyDisk(join(context.layout.snapshot(snapshot.id), writableDiskFile), diskOf(context, record), options);
  const booted = await (memory === null
    ? bootAgain(context, boot)
    : bootFromMemory(context, boot, memory, { asAnother: false }));
  await using _turn = await takeTurn(context, record.id, undefined);
  const running = await handOver(context, record, plan, booted, startedAt, options, {
    ...{ memoryMb, vcpus, diskSizeMb, snapshotId: snapshot.id, names: snapshot.names },
    restoredAtMs: Date.now(),
    sleep: null,
    // If this process ends before it could remove what the sandbox had before, the next process that looks does that.
    holder: ownIdentity(),
  });
  undo.move();
  await forgetDiskBefore(context, record.id);
  await removeKeptMemory(context, record.id);
  const { machine } = running;
  return toInfo(context.store.changeSandbox(record.id, ['running'], { holder: null }, { machine }) ?? running);
}

/** One of the sandbox's own snapshots, or the one that it was made from. */
function snapshotFor(context: EngineContext, { id, name, snapshotId }: SandboxRecord, ref: string): SnapshotRecord {
  const own = context.store.findSnapshot(ref, undefined, id);
  const snapshot = own ?? findSnapshot(context, ref);
  if (own === null && snapshot.id !== snapshotId)
    throw new NovaError(
      'conflict',
      `${snapshot.name ?? snapshot.id} is a snapshot of the sandbox ${snapshot.sandboxName ?? snapshot.sandboxId}, not of ${name ?? id}.`,
      { hint: 'Make a sandbox of its own from it with `nova create --snapshot`.' },
    );
  return snapshot;
}

/** Ends the machine at once: what the guest has not written is lost anyway. An ephemeral sandbox stays. */
async function stopForRestore(context: EngineContext, sandbox: SandboxRecord): Promise<SandboxRecord> {
  if (!hasMachine(sandbox.state)) return sandbox;
  const { record } = beginStopping(context, sandbox, { reason: null, goesWithMaker: false });
  const stopped = await endMachine(context, record, (machine) => machine.stop());
  if (stopped === null) throw new NovaError('sandbox_not_found', `The sandbox ${sandbox.id} was removed meanwhile.`);
  return stopped;
}

const cannotRestore = ({ id, name, state }: SandboxRecord): NovaError =>
  new NovaError('invalid_state', `The sandbox ${name ?? id} is ${state} and cannot be taken back now.`, {
    hint:
      state === 'failed' ? 'Remove it with `nova rm --force`.' : 'Wait until it runs or has stopped, and try it again.',
  });
