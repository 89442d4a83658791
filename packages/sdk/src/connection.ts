import { resolve } from 'node:path';
import type { Engine } from '@novasandbox/engine/services';
import { chooseBackend, openBackend, type Backend, type BackendOptions } from '#backend';

/** Which engine a call speaks to. The default is the user's own daemon where one runs, else the engine of this process. */
export interface ConnectionOptions extends BackendOptions {
  /** An engine of one's own in place of the shared one. Whoever made it closes it. */
  readonly engine?: Engine | undefined;
}

/** A share in an engine. The engine is closed when the last share of it has been given back. */
export interface EngineLease {
  readonly engine: Engine;
  /** Idempotent. */
  release(): Promise<void>;
}

interface SharedEngine {
  readonly opened: Promise<Engine>;
  leases: number;
}

const shared = new Map<string, SharedEngine>();
const closing = new Map<string, Promise<void>>();

/** Opens the engine of a state folder, or joins the one this process has open already. */
export async function leaseEngine(options: ConnectionOptions = {}): Promise<EngineLease> {
  if (options.engine !== undefined) return { engine: options.engine, release: () => Promise.resolve() };
  const backend = chooseBackend(options);
  const key = keyOf(backend);
  let entry = shared.get(key);
  if (entry === undefined) {
    entry = { opened: openEngine(key, backend), leases: 0 };
    shared.set(key, entry);
  }
  entry.leases += 1;
  const mine = entry;
  let released = false;
  const release = async (): Promise<void> => {
    if (released) return;
    released = true;
    mine.leases -= 1;
    if (mine.leases > 0) return;
    if (shared.get(key) === mine) shared.delete(key);
    const closed = mine.opened.then(
      (engine) => engine.close(),
      () => undefined,
    );
    closing.set(
      key,
      closed.catch(() => undefined),
    );
    await closed;
  };
  try {
    return { engine: await mine.opened, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Runs `work` with an engine that is given back afterwards. */
export async function withEngine<T>(options: ConnectionOptions, work: (engine: Engine) => Promise<T>): Promise<T> {
  const lease = await leaseEngine(options);
  try {
    return await work(lease.engine);
  } finally {
    await lease.release();
  }
}

/** Calls with the same key share one engine. */
function keyOf(backend: Backend): string {
  if (backend.kind === 'url') return JSON.stringify([backend.url, backend.apiKey ?? null]);
  const home = backend.home === undefined ? '' : resolve(backend.home);
  return JSON.stringify([backend.kind, home]);
}

async function openEngine(key: string, backend: Backend): Promise<Engine> {
  // One engine of a state folder at a time: the next opens when the last has given its leases back.
  await closing.get(key);
  return openBackend(backend);
}

/** The options that say where, apart from those that say what. */
export function splitConnection<T extends ConnectionOptions>(
  options: T,
): [ConnectionOptions, Omit<T, keyof ConnectionOptions>] {
  const { home, engine, apiUrl, apiKey, embedded, ...rest } = options;
  return [{ home, engine, apiUrl, apiKey, embedded }, rest];
}
