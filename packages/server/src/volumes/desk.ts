import { setTimeout as delay } from 'node:timers/promises';
import { inBackground } from '@novasandbox/engine';
import { isNovaError, reservedLabelPrefix, type SandboxInfo, type VolumeInfo } from '@novasandbox/protocol';
import { keeperOf } from '../authority/callers.ts';
import type { Caller, OpenedVolume, Services, View, VolumeDesk } from '../context.ts';

/** The label of a sandbox that was made only to open a volume; its value is the volume's id. */
export const openedVolumeLabel = `${reservedLabelPrefix}volume`;

/** Where such a sandbox has the volume. */
const openedAt = '/volume';
/** How long it stays for the next request, ms. */
const staysMs = 10_000;
/** It ends by itself where the daemon does not prolong its life: the daemon was killed. */
const livesMs = 120_000;
const prolongEveryMs = 30_000;
/** How long somebody who wants a volume waits for requests for its files, ms. */
const letGoWithinMs = 5000;
const lookEveryMs = 20;

interface Entry {
  readonly volume: VolumeInfo;
  readonly engine: Services;
  readonly opening: Promise<SandboxInfo>;
  holders: number;
  leaving: NodeJS.Timeout | undefined;
  readonly prolonging: NodeJS.Timeout;
}

export function createVolumeDesk(viewOf: (caller: Caller) => View): VolumeDesk {
  const entries = new Map<string, Entry>();

  const remove = async (entry: Entry): Promise<void> => {
    clearInterval(entry.prolonging);
    clearTimeout(entry.leaving);
    if (entries.get(entry.volume.id) === entry) entries.delete(entry.volume.id);
    const made = await entry.opening.catch(() => null);
    if (made === null) return;
    await entry.engine.sandboxes.remove(made.id, { force: true }).catch((error: unknown) => {
      if (!isNovaError(error, 'sandbox_not_found')) throw error;
    });
  };
  const begin = (volume: VolumeInfo, engine: Services): Entry => {
    const opening = engine.sandboxes.create(
      {
        volumes: [{ name: volume.id, path: openedAt }],
        enableNetwork: false,
        ephemeral: true,
        timeoutMs: livesMs,
      },
      { reservedLabels: { [openedVolumeLabel]: volume.id } },
    );
    const prolong = async (): Promise<void> => {
      const made = await opening;
      await engine.sandboxes.setTimeout(made.id, livesMs);
    };
    const entry: Entry = {
      ...{ volume, engine, opening, holders: 0, leaving: undefined },
      prolonging: setInterval(
        () => inBackground(`keeping the volume ${volume.id} open`, prolong),
        prolongEveryMs,
      ).unref(),
    };
    opening.catch(() => {
      clearInterval(entry.prolonging);
      if (entries.get(volume.id) === entry) entries.delete(volume.id);
    });
    entries.set(volume.id, entry);
    return entry;
  };
  const release = (entry: Entry): void => {
    entry.holders -= 1;
    if (entry.holders > 0) return;
    entry.leaving = setTimeout(
      () => inBackground(`giving back the volume ${entry.volume.id}`, () => remove(entry)),
      staysMs,
    ).unref();
  };
  const hold = async (entry: Entry): Promise<OpenedVolume> => {
    clearTimeout(entry.leaving);
    entry.holders += 1;
    let given = false;
    const giveBack = async (): Promise<void> => {
      if (!given) release(entry);
      given = true;
    };
    try {
      const { id } = await entry.opening;
      return { engine: entry.engine, sandboxId: id, root: openedAt, [Symbol.asyncDispose]: giveBack };
    } catch (error) {
      await giveBack();
      throw error;
    }
  };

  return {
    async open(volume) {
      const current = entries.get(volume.id);
      if (current !== undefined) {
        const made = await current.opening.catch(() => null);
        const state = made === null ? null : await stateOf(current.engine, made.id);
        if (state === 'running' && entries.get(volume.id) === current) return hold(current);
        // It was ended from outside.
        await remove(current);
      }
      const { engine } = viewOf(keeperOf(volume));
      const { usedBy } = await engine.volumes.get(volume.id);
      const user = usedBy.find(({ attached, state }) => attached && state === 'running');
      if (user !== undefined) {
        const nothing = (): Promise<void> => Promise.resolve();
        return { engine, sandboxId: user.sandboxId, root: user.path, [Symbol.asyncDispose]: nothing };
      }
      return hold(entries.get(volume.id) ?? begin(volume, engine));
    },
    async letGo(names) {
      const wanted = [...entries.values()].filter(({ volume: { id, name } }) =>
        names.some((each) => each === id || each === name),
      );
      const end = performance.now() + letGoWithinMs;
      for (const entry of wanted) {
        while (entry.holders > 0 && performance.now() < end) await delay(lookEveryMs);
        if (entry.holders === 0) await remove(entry);
      }
    },
    async close() {
      await Promise.all([...entries.values()].map(remove));
    },
  };
}

async function stateOf(engine: Services, id: string): Promise<SandboxInfo['state'] | null> {
  try {
    return (await engine.sandboxes.get(id)).state;
  } catch (error) {
    if (isNovaError(error, 'sandbox_not_found')) return null;
    throw error;
  }
}
