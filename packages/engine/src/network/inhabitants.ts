import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../ports/process-identity.ts';
import { identify } from '../vmm/process-identity.ts';
import { linkOf, namespaceDirectory, namespaceOf, numberOfLink, numberOfNamespace } from './addressing.ts';

/** Numbers of the slots for which this host has a namespace or a link, whoever made them. */
export function slotsOnHost(): number[] {
  const links = readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*(\S+):/gm);
  const found = [...namespaces().map(numberOfNamespace), ...[...links].map(([, link = '']) => numberOfLink(link))];
  return [...new Set(found.filter((number) => number !== null))];
}

/** Whether the host has a namespace or a link of that slot. */
export const isOnHost = (number: number): boolean =>
  existsSync(join(namespaceDirectory, namespaceOf(number))) || existsSync(`/sys/class/net/${linkOf(number)}`);

function namespaces(): string[] {
  try {
    return readdirSync(namespaceDirectory);
  } catch {
    return [];
  }
}

/**
 * A process in each of the namespaces that has one. It may be the VMM of a process that was killed before it could
 * record the VMM.
 */
export function inhabitants(numbers: readonly number[]): Map<number, ProcessIdentity> {
  const byInode = new Map<string, number>();
  for (const number of numbers) {
    try {
      byInode.set(`net:[${statSync(join(namespaceDirectory, namespaceOf(number))).ino}]`, number);
    } catch {
      // It has gone meanwhile.
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
      // It has ended meanwhile.
    }
  }
  return found;
}
