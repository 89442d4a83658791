import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';
import type { PortForward } from '../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../ports/slot-registry.ts';
import { allOf } from '../vmm/all-of.ts';
import { LaunchFailure } from '../vmm/launcher.ts';
import type { ProcessIdentity } from '../ports/process-identity.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { addressOf, tap } from './addressing.ts';
import { forgetConnections, inside, run, told, type SlotHost } from './commands.ts';
import { ensureForwarding, openLink, turnOff, turnOn } from './forwarding.ts';
import { isOnHost } from './inhabitants.ts';
import { hubsOfSlot, leaveHub, membersTable } from './hubs.ts';
import { hostLinks, removal, slotLinks } from './links.ts';
import { interceptionScript, interceptionTable, type Intercepted } from './interception.ts';
import { hostResolver } from './resolver.ts';
import { addForwards, hostRules, lastChain, removeForwards, removeHostRules, slotRules, table } from './rules.ts';

/** Making slots and taking them down. Both continue from where a killed process has stopped. */

/** Programs that make slots of root, and the packages that contain them. */
export const programs = {
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
} as const;

export const tunDevice = '/dev/net/tun';

export interface MakeSlotOptions {
  readonly within?: ProcessIdentity | undefined;
  /** The traffic that goes to the egress process (interception.ts) from the beginning; default: none. */
  readonly intercepted?: Intercepted | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the slot that the registry has reserved. After a failure, `takeDown` removes what was made. `within`: as in
 * ports/network.ts.
 */
export async function makeSlot(
  host: SlotHost,
  slot: SlotRecord,
  { within, signal, intercepted }: MakeSlotOptions = {},
): Promise<void> {
  const { number, forwards } = slot;
  if (within !== undefined) requireOwnNamespace(within);
  // When one fails, all have ended, so nothing is made any more while the slot is taken down.
  await allOf([
    makeHostRules(host, addForwards(number, forwards), signal),
    allowTaps(),
    run(
      host,
      [
        told('ip -batch -', hostLinks(number, within?.pid)),
        openLink(number),
        furnish(number, { again: within !== undefined, intercepted }),
      ],
      signal,
    ),
  ]);
  host.registry.made(number);
}

/** A namespace shared with other processes would share the slot with them. */
function requireOwnNamespace(vmm: ProcessIdentity): void {
  if (!isAlive(vmm)) throw new NovaError('network_failed', 'The VMM whose network was to be made has ended.');
  const [its, ours] = [vmm.pid, process.pid].map((each) => readlinkSync(`/proc/${each}/ns/net`));
  if (its === ours)
    throw new NovaError('network_failed', 'The VMM was started without a network namespace of its own.');
}

/** The script that sets a namespace up. `again`: it may have been set up before. */
function furnish(
  number: number,
  { again, intercepted }: { again: boolean; intercepted: Intercepted | undefined },
): string {
  const script = [
    'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    ...(again ? [undo] : []),
    `ip -batch - <<'links'`,
    `${slotLinks(number)}links`,
    `nft -f - <<'rules'`,
    `${slotRules(number)}rules`,
    ...(intercepted === undefined ? [] : [interceptionScript(number, intercepted)]),
  ].join('\n');
  return inside(number, script);
}

/** Removes what an earlier slot has left in the namespace of a VMM. */
const undo = [
  `ip link del ${tap} 2>/dev/null || :`,
  `nft delete table ip slot 2>/dev/null || :`,
  `nft delete table ${interceptionTable} 2>/dev/null || :`,
  `nft delete table ${membersTable} 2>/dev/null || :`,
].join('\n');

/**
 * A VMM opens its tap as a user without privileges. Systems with udev let everyone open this device, which by itself
 * gives nobody access to anything. On other systems the mode is set here.
 */
async function allowTaps(): Promise<void> {
  const { mode } = await stat(tunDevice);
  if ((mode & 0o006) !== 0o006) await chmod(tunDevice, (mode & 0o777) | 0o666);
}

/** Sets up the host's table, and adds these forwards to the existing ones. */
async function makeHostRules(host: SlotHost, forwards: string, signal?: AbortSignal): Promise<void> {
  const { registry } = host;
  const forwardingInterfaces = registry.locked(() => ensureForwarding(registry));
  await run(
    host,
    [told('nft -f -', `${hostRules({ resolver: hostResolver(), forwardingInterfaces })}${forwards}`)],
    signal,
  );
  turnOn(forwardingInterfaces);
}

export async function hostRulesAreThere({ launcher }: SlotHost): Promise<boolean> {
  try {
    await launcher.run(`nft list chain ${table} ${lastChain} >/dev/null 2>&1`);
    return true;
  } catch (error) {
    if (error instanceof LaunchFailure) return false;
    throw error;
  }
}

/**
 * Rewrites the whole table, or removes it where there is no slot. The lock keeps others from making or removing slots
 * meanwhile.
 */
export function mendHostRules(registry: SlotRegistry): void {
  registry.locked(() => {
    const slots = registry.list();
    if (slots.length === 0) return removeHostTraces(registry);
    const forwardingInterfaces = ensureForwarding(registry);
    const forwards = slots.map((slot) => addForwards(slot.number, slot.forwards)).join('');
    nftAtOnce(`${hostRules({ resolver: hostResolver(), forwardingInterfaces })}${forwards}`);
    turnOn(forwardingInterfaces);
  });
}

export async function openForwards(
  host: SlotHost,
  number: number,
  forwards: readonly PortForward[],
  signal?: AbortSignal,
): Promise<void> {
  if (forwards.length > 0) await run(host, [told('nft -f -', addForwards(number, forwards))], signal);
}

/**
 * Removes a slot with everything it has on the host, and with the last slot also what all slots share. False: another
 * process is already doing so.
 */
export async function takeDown(host: SlotHost, slot: SlotRecord): Promise<boolean> {
  if (!host.registry.startRemoval(slot)) return false;
  await removeSlot(host, slot.number, slot.forwards);
  return true;
}

/**
 * Removes the port forwards of a slot, its namespace and link, the connections that went through it, and its record if
 * there is one.
 */
export async function removeSlot(host: SlotHost, number: number, forwards: readonly PortForward[] = []): Promise<void> {
  const hubs = await hubsOfSlot(number);
  await run(host, [
    ...(forwards.length === 0 ? [] : [told('nft -f -', removeForwards(number, forwards))]),
    // A missing link or namespace was removed before, or never made.
    told('ip -force -batch -', removal(number), '2>/dev/null || :'),
    // Connections that the guest began, and those that came in by its forwarded ports.
    ...['--orig-src', '--reply-src'].map((direction) => forgetConnections(direction, addressOf(number))),
  ]);
  for (const hub of hubs) await leaveHub(host, hub, number);
  if (isOnHost(number)) throw new NovaError('network_failed', `The network slot ${number} could not be removed.`);
  host.registry.remove(number, () => removeHostTraces(host.registry));
}

/** Runs under the registry's lock. The next process that reserves a slot makes the table anew. */
function removeHostTraces(registry: SlotRegistry): void {
  turnOff(registry);
  nftAtOnce(removeHostRules);
}

/** Time limit, ms: a program that hangs in the kernel holds up every process that waits for the lock. */
const nftMs = 10_000;

/** For changes under the registry's lock, which take a few milliseconds. */
function nftAtOnce(input: string): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input, env, encoding: 'utf8', timeout: nftMs });
  if (status !== 0) throw new NovaError('network_failed', `nft ended with ${status}: ${stderr.trim()}`);
}
