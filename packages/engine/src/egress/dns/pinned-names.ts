import { maxPinnedNames, type PinnedNames } from '@novasandbox/protocol/policy';

/**
 * The addresses that a guest gets for names. Nobody else has them: a connection to one is a connection to its name.
 * A name gets its address by its hash, so that a guest that has kept one finds the same name behind it where the
 * process had to start anew.
 */
const firstBytes = [198, 19] as const;
/** Leads to no name; connections to it are told why names are denied. */
export const explainingAddress = '198.19.255.254';
/** Addresses that names get: 198.19.0.1 up to 198.19.255.250. */
const addressCount = 65_530;

export interface PinnedNameTable {
  /** The address of a name, which it gets now if it has none. Null: the guest has had its share of names. */
  addressOf(name: string): string | null;
  nameAt(address: string): string | undefined;
  all(): PinnedNames;
}

export function pinnedNameTable(known: PinnedNames): PinnedNameTable {
  const byName = new Map<string, string>();
  const byAddress = new Map<string, string>();
  const pin = (name: string, address: string): string => {
    byName.set(name, address);
    byAddress.set(address, name);
    return address;
  };
  for (const { name, address } of known) if (!byAddress.has(address)) pin(name, address);
  return {
    addressOf(name) {
      const found = byName.get(name);
      if (found !== undefined) return found;
      if (byName.size >= maxPinnedNames) return null;
      for (let index = hashOf(name) % addressCount; ; index = (index + 1) % addressCount) {
        const address = addressAt(index);
        if (!byAddress.has(address)) return pin(name, address);
      }
    },
    nameAt: (address) => byAddress.get(address),
    all: () => [...byName].map(([name, address]) => ({ name, address })),
  };
}

const addressAt = (index: number): string => [...firstBytes, (index + 1) >> 8, (index + 1) & 0xff].join('.');

export const isOfNames = (address: string): boolean => address.startsWith(`${firstBytes.join('.')}.`);

/** FNV-1a. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
