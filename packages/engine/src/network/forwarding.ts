import { readFileSync, writeFileSync } from 'node:fs';
import type { SlotRegistry } from '../ports/slot-registry.ts';
import { linkOf, linkPrefix } from './addressing.ts';

/**
 * Whether the host forwards packets. A host that does so already is left alone. Otherwise forwarding is turned on, one
 * by one, for the interfaces that routes lead out of, and a rule makes sure that they serve only slots (rules.ts).
 */

const settingOf = (name: string, what: string): string => `/proc/sys/net/ipv4/conf/${name}/${what}`;

/** Names that are safe in a path and in a rule, because interfaces may have almost any name. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/;

/**
 * The interfaces that forward only because of us, including those about to be turned on (`turnOn`). Must be called
 * under the registry's lock.
 */
export function ensureForwarding(registry: SlotRegistry): string[] {
  if (isOn('all')) {
    registry.setForwardingInterfaces([]);
    return [];
  }
  const known = new Set(registry.forwardingInterfaces());
  const missing = interfacesWithRoutes().filter((name) => !known.has(name) && !isOn(name));
  const all = [...known, ...missing];
  // They are recorded first, so that forwarding is turned off again later even if this process is killed in between.
  if (missing.length > 0) registry.setForwardingInterfaces(all);
  return all;
}

/** Must be called once the rule is there. */
export function turnOn(names: readonly string[]): void {
  for (const name of names) set(name, '1');
}

/** Restores the state before the first slot. */
export function turnOff(registry: SlotRegistry): void {
  const names = registry.forwardingInterfaces();
  // Somebody may have made the host a router meanwhile; then forwarding stays on.
  if (!isOn('all')) for (const name of names) set(name, '0');
  registry.setForwardingInterfaces([]);
}

/** Settings that the host's end of a slot needs: packets pass, and connections from 127.0.0.1 get out and back. */
export const openLink = (number: number): string =>
  ['rp_filter', 'route_localnet', 'forwarding'].map((what) => `echo 1 >${settingOf(linkOf(number), what)}\n`).join('');

function interfacesWithRoutes(): string[] {
  const [, ...routes] = readFileSync('/proc/net/route', 'utf8').trim().split('\n');
  const names = new Set(routes.map((line) => line.split('\t')[0] ?? ''));
  return [...names].filter((name) => plainName.test(name) && name !== 'lo' && !name.startsWith(linkPrefix));
}

function isOn(name: string): boolean {
  try {
    return readFileSync(settingOf(name, 'forwarding'), 'utf8').trim() !== '0';
  } catch {
    // The interface has gone.
    return true;
  }
}

function set(name: string, value: '0' | '1'): void {
  try {
    writeFileSync(settingOf(name, 'forwarding'), value);
  } catch {
    // The interface has gone.
  }
}
