import type { Contacts, Decision } from '@novasandbox/protocol';

/** How many destinations of a sandbox are kept, and how many requests of each. */
const mostContacts = 2048;
const mostRequests = 64;
/** Longer paths are cut at a slash. */
const longestPath = 256;

/** The destinations that a sandbox was let through to. */
export interface ContactTable {
  note(decision: Pick<Decision, 'host' | 'address' | 'port' | 'method' | 'path'>): void;
  all(): Contacts;
}

interface Entry {
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  /** Null: there are others than requests over plain HTTP, or too many. */
  requests: Map<string, { readonly method: string; readonly path: string }> | null;
}

export function contactTable(): ContactTable {
  const entries = new Map<string, Entry>();
  let complete = true;
  return {
    note({ host, address, port, method, path = '/' }) {
      const key = `${host ?? address ?? ''} ${port}`;
      let entry = entries.get(key);
      if (entry === undefined) {
        if (entries.size >= mostContacts) {
          complete = false;
          return;
        }
        entry = { host, address: host === null ? address : null, port, requests: new Map() };
        entries.set(key, entry);
      }
      if (method === undefined) entry.requests = null;
      if (entry.requests === null || method === undefined) return;
      const beginning = beginningOf(path);
      entry.requests.set(`${method} ${beginning}`, { method, path: beginning });
      if (entry.requests.size > mostRequests) entry.requests = null;
    },
    all: () => ({
      contacts: [...entries.values()].map(({ requests, ...entry }) => ({
        ...entry,
        requests: [...(requests?.values() ?? [])],
      })),
      complete,
    }),
  };
}

/** The folder that a path lies in, which other paths of the same service have in common with it. */
function beginningOf(path: string): string {
  const [plain = '/'] = path.slice(0, longestPath).split(/[?#]/);
  return plain.slice(0, plain.lastIndexOf('/') + 1);
}
