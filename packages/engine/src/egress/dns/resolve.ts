import { Resolver } from 'node:dns/promises';

/** Resolves names where the host does. */
export interface NameResolution {
  /** Its addresses, IPv4 first; none where there is no such name. Rejects where the name servers do not answer. */
  resolve(name: string): Promise<readonly string[]>;
}

/** How long an answer is believed at most, ms. What it says is judged anew for each connection. */
const longestMs = 30_000;
const shortestMs = 1000;
const mostNames = 4096;
/** A name may have no more addresses than this; further ones are not looked at. */
const mostAddresses = 16;

interface Known {
  readonly addresses: Promise<readonly string[]>;
  untilMs: number;
}

export function nameResolution(resolver = new Resolver({ timeout: 2000, tries: 2 })): NameResolution {
  const known = new Map<string, Known>();
  const remember = (name: string, entry: Known): void => {
    known.delete(name);
    known.set(name, entry);
    const oldest = known.keys().next();
    if (known.size > mostNames && oldest.done === false) known.delete(oldest.value);
  };
  return {
    resolve(name) {
      const found = known.get(name);
      if (found !== undefined && found.untilMs > performance.now()) return found.addresses;
      const asked = ask(resolver, name);
      // Those who ask meanwhile wait for the same answer.
      const entry: Known = { addresses: asked.then(({ addresses }) => addresses), untilMs: Infinity };
      remember(name, entry);
      asked.then(
        ({ forMs }) => (entry.untilMs = performance.now() + forMs),
        () => known.get(name) === entry && known.delete(name),
      );
      return entry.addresses;
    },
  };
}

async function ask(resolver: Resolver, name: string): Promise<{ addresses: readonly string[]; forMs: number }> {
  const results = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const failed = results.find((result) => result.status === 'rejected' && !meansNone(result.reason));
  if (records.length === 0 && failed?.status === 'rejected') throw failed.reason;
  const seconds = Math.min(...records.map(({ ttl }) => ttl), longestMs / 1000);
  return {
    addresses: records.slice(0, mostAddresses).map(({ address }) => address),
    forMs: records.length === 0 ? shortestMs : Math.max(seconds * 1000, shortestMs),
  };
}

/** The error says that there is no such name, or no such record. */
const meansNone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA');
