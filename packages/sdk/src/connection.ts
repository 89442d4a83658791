import { chooseBackend, keyOf, openBackend, type Backend, type BackendOptions, type Engine } from '#backend';

/**
 * Selects the engine that a call uses. The default is the user's own daemon if one is running, otherwise the engine of
 * this process.
 */
export interface ConnectionOptions extends BackendOptions {
  /** An engine of your own in place of the shared one. The caller closes it. */
  readonly engine?: Engine | undefined;
}

/** A share in an engine. The engine is closed when its last share has been released. */
export interface EngineLease {
  readonly engine: Engine;
  /** The options that lead to this engine. */
  readonly connection: ConnectionOptions;
  /** Idempotent. */
  release(): Promise<void>;
}

interface SharedEngine {
  readonly opened: Promise<Engine>;
  leases: number;
}

const shared = new Map<string, SharedEngine>();
const closing = new Map<string, Promise<void>>();

/** Opens the engine of a state folder, or joins the one that this process has already opened. */
export async function leaseEngine(options: ConnectionOptions = {}): Promise<EngineLease> {
  if (options.engine !== undefined)
    return { engine: options.engine, connection: options, release: () => Promise.resolve() };
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
    return { engine: await mine.opened, connection: options, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Runs `work` with an engine and releases it afterwards. */
export async function withEngine<T>(options: ConnectionOptions, work: (engine: Engine) => Promise<T>): Promise<T> {
  const lease = await leaseEngine(options);
  try {
    return await work(lease.engine);
  } finally {
    await lease.release();
  }
}

async function openEngine(key: string, backend: Backend): Promise<Engine> {
  // A state folder has one engine at a time: the next one opens after the last lease of the previous one is released.
  await closing.get(key);
  return openBackend(backend);
}

/** Separates the options that select the engine from all others. */
export function splitConnection<T extends ConnectionOptions>(
  options: T,
): [ConnectionOptions, Omit<T, keyof ConnectionOptions>] {
  const { home, engine, apiUrl, apiKey, embedded, ...rest } = options;
  return [{ home, engine, apiUrl, apiKey, embedded }, rest];
}
