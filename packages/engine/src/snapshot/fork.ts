import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import {
  forkSchema,
  NovaError,
  parse,
  toNovaError,
  type ContinuedConfigInput,
  type ForkInput,
  type ForkResult,
  type PinnedNames,
  type SandboxInfo,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { inOwnWorkFolder } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import type { SnapshotFiles } from '../ports/vmm-driver.ts';
import { needsEgress } from '../guest/governance.ts';
import { bootFromMemory, type Memory } from '../sandbox/boot-from-memory.ts';
import { makeSandbox } from '../sandbox/create.ts';
import { diskOf } from '../sandbox/disk.ts';
import { findSandbox } from '../sandbox/find.ts';
import { newSandboxId } from '../sandbox/id.ts';
import { captureInstant } from '../sandbox/instant.ts';
import { sweep } from '../sandbox/reconcile.ts';
import { removeSandbox } from '../sandbox/stop.ts';
import type { ForkContext } from '../services.ts';
import { requireContinuable } from './continuable.ts';
import { rootInUse, rootOfMemory } from '../memory/root.ts';
import { planContinued } from '../sandbox/plan-continued.ts';
import { findNetworks } from '../sandbox/networks.ts';
import { continuedConfig } from './continue.ts';

/** Children that are brought up at once: more would wait for processors. */
const atOnce = availableParallelism() * 2;

/**
 * Makes running children of a running sandbox, all from one instant. The sandbox goes on once the instant is written.
 * Where the hypervisor can, the VMMs of the first children start meanwhile. After an abort no child is left.
 */
export async function forkSandbox(
  context: EngineContext,
  ref: string,
  input: ForkInput = {},
  { ids, ...options }: ForkContext = {},
): Promise<ForkResult[]> {
  const startedAt = performance.now();
  const { count, keepSecrets, ...own } = parse(forkSchema, input, 'fork');
  const { signal } = options;
  await sweep(context);
  const parent = await findSandbox(context, ref);
  if (parent.state !== 'running' && parent.state !== 'paused')
    throw new NovaError('sandbox_not_running', `The sandbox ${parent.name ?? parent.id} is ${parent.state}.`, {
      hint: 'Start it with `nova start`; only a sandbox that runs has a memory to fork.',
    });
  requireContinuable(context, parent, true);
  const bootedFrom = rootInUse(context, parent);
  const { root } = rootOfMemory(context, { ...parent, bootedFrom });
  const plan = await planContinued(context, continuedConfig(parent, own), { ...parent, bootedFrom }, options);
  throwIfAborted(signal, 'before the sandbox was forked');
  return inOwnWorkFolder(context.layout.instants, `fork${newSandboxId()}`, signal, async (folder) => {
    const diskBytes = parent.config.readOnlyRootfs ? 0 : (await stat(diskOf(context, parent))).size;
    const written = Promise.withResolvers<void>();
    written.promise.catch(() => undefined);
    const memoryIn = (files: SnapshotFiles): Memory => ({ files, root, bootedFrom, diskIn: folder });
    let names: PinnedNames = [];
    let children: Promise<ForkResult[]> | undefined;
    const child = (memory: Memory, index: number): Promise<SandboxInfo> => {
      const config = continuedConfig(parent, nameOf(own, index, count));
      // Those of the parent, which are read-only.
      const volumes = context.store.volumesOf(parent.id);
      const networks =
        own.networks === undefined
          ? context.store.membershipsOf(parent.id).map(({ network }) => network.id)
          : findNetworks(context, config, options.scope);
      const { id: forkedFrom, snapshotId } = parent;
      // Its memory trusts the authority of the parent.
      const { authority } = parent;
      const secrets = keepSecrets ? parent.secrets : [];
      const wanted = { config, plan, volumes, networks, startedAt, forkedFrom, snapshotId, names, secrets, authority };
      return makeSandbox(context, wanted, { ...options, id: ids?.[index] }, (boot) =>
        bootFromMemory(context, boot, memory, { asAnother: true, parentId: parent.id }),
      );
    };
    const bringUp = (memory: Memory): Promise<ForkResult[]> =>
      allChildren(context, count, (index) => child(memory, index), signal);
    try {
      const instant = await captureInstant(context, parent, folder, {
        memory: true,
        signal,
        begun(files) {
          // The names that a guest with a policy knows are complete only once it stands still.
          if (needsEgress(parent)) return;
          children = bringUp({ ...memoryIn(files), arriving: { diskBytes, written: written.promise } });
          children.catch(() => undefined);
        },
      });
      if (instant.memory === null) throw new Error('an instant with memory has its files');
      names = await context.network.names(parent.id);
      written.resolve();
      return await (children ?? bringUp({ ...memoryIn(instant.memory), takesDisk: count === 1 }));
    } catch (error) {
      // The children that were begun end with the same error.
      written.reject(error);
      await children?.catch(() => undefined);
      throw error;
    }
  });
}

/** Brings the children up, a few at once. On abort those that are there already are removed. */
async function allChildren(
  context: EngineContext,
  count: number,
  child: (index: number) => Promise<SandboxInfo>,
  signal: AbortSignal | undefined,
): Promise<ForkResult[]> {
  const results = Array.from<ForkResult>({ length: count });
  const indices = results.keys();
  const work = async (): Promise<void> => {
    for (const index of indices) {
      try {
        throwIfAborted(signal, 'while children were brought up');
        results[index] = { sandbox: await child(index), error: null };
      } catch (error) {
        results[index] = { sandbox: null, error: toNovaError(error) };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
  if (signal?.aborted === true) {
    const made = results.flatMap(({ sandbox }) => sandbox ?? []);
    await Promise.all(made.map(({ id }) => removeSandbox(context, id, { force: true })));
    throwIfAborted(signal, 'while children were brought up');
  }
  return results;
}

function nameOf(own: ContinuedConfigInput, index: number, count: number): ContinuedConfigInput {
  return own.name === undefined || count === 1 ? own : { ...own, name: `${own.name}-${index + 1}` };
}
