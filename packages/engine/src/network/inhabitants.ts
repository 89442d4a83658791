import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { identify, type ProcessIdentity } from '../vmm/process-identity.ts';
import { namespaceDirectory, namespaceOf, numberOf } from './addressing.ts';

/** Numbers of the slots whose namespaces there are, whoever made them. */
export function slotNamespaces(): number[] {
  try {
    return readdirSync(namespaceDirectory)
      .map(numberOf)
      .filter((number) => number !== null);
  } catch {
    return [];
  }
}

/** A process in each of the namespaces that has one: it may be the VMM of somebody who was killed before he could note it. */
export function inhabitants(numbers: readonly number[]): Map<number, ProcessIdentity> {
  const byInode = new Map<string, number>();
  for (const number of numbers) {
    try {
      byInode.set(`net:[${statSync(join(namespaceDirectory, namespaceOf(number))).ino}]`, number);
    } catch {
      // Gone meanwhile.
    }
  }
  const found = new Map<number, ProcessIdentity>();
  for (const name of byInode.size === 0 ? [] : readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const number = byInode.get(readlinkSync(`/proc/${name}/ns/net`));
      const identity = number === undefined ? null : identify(Number(name));
      if (number !== undefined && identity !== null) found.set(number, identity);
    } catch {
      // Ended meanwhile.
    }
  }
  return found;
}
