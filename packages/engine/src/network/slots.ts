import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { PortForward } from '../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../ports/slot-registry.ts';
import { allOf } from '../vmm/all-of.ts';
import { LaunchFailure, quoted, type Launcher } from '../vmm/launcher.ts';
import { isAlive, type ProcessIdentity } from '../vmm/process-identity.ts';
import { addressOf, namespaceDirectory, namespaceOf, tap } from './addressing.ts';
import { ensureForwarding, openLink, turnOff, turnOn } from './forwarding.ts';
import { isOnHost } from './inhabitants.ts';
import { hostLinks, removal, slotLinks } from './links.ts';
import { hostResolver } from './resolver.ts';
import { addForwards, hostRules, lastChain, removeForwards, removeHostRules, slotRules, table } from './rules.ts';

/** Making slots and taking them down. Both go on from wherever one that was killed has stopped. */

/** Programs that slots are made with, and the packages they come from. */
export const programs = {
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
} as const;

export const tunDevice = '/dev/net/tun';

/** What slots are made and remembered with. */
export interface SlotHost {
  readonly registry: SlotRegistry;
  readonly launcher: Launcher;
}

/** Makes what the registry has reserved. What there is of it after a failure, `takeDown` removes. `within`: as in ports/network.ts. */
export async function makeSlot(
  host: SlotHost,
  slot: SlotRecord,
  { within, signal }: { readonly within?: ProcessIdentity | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { number, forwards } = slot;
  if (within !== undefined) requireOwnNamespace(within);
  // All have ended when one has failed: nothing is made any more while it is taken down.
  await allOf([
    makeHostRules(host, addForwards(number, forwards), signal),
    allowTaps(),
    run(
      host,
      [told('ip -batch -', hostLinks(number, within?.pid)), openLink(number), furnish(number, within !== undefined)],
      signal,
    ),
  ]);
  host.registry.made(number);
}

/** What a namespace shared with others gets would be theirs as well. */
function requireOwnNamespace(vmm: ProcessIdentity): void {
  if (!isAlive(vmm)) throw new NovaError('network_failed', 'The VMM whose network was to be made has ended.');
  const [its, ours] = [vmm.pid, process.pid].map((each) => readlinkSync(`/proc/${each}/ns/net`));
  if (its === ours)
    throw new NovaError('network_failed', 'The VMM was started without a network namespace of its own.');
}

/** What is set up within the namespace. `again`: it may have been furnished before. */
function furnish(number: number, again: boolean): string {
  const script = [
    'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    ...(again ? [`ip link del ${tap} 2>/dev/null || :`, 'nft delete table ip slot 2>/dev/null || :'] : []),
    `ip -batch - <<'links'`,
    `${slotLinks(number)}links`,
    `nft -f - <<'rules'`,
    `${slotRules(number)}rules`,
  ].join('\n');
  const namespace = join(namespaceDirectory, namespaceOf(number));
  return `${bound} nsenter ${quoted([`--net=${namespace}`, '/bin/sh', '-ec', script])}\n`;
}

/**
 * A VMM opens its tap as a user without privileges. Systems with udev let everyone open this device, which by itself gives nobody anything; others
 * are set so.
 */
async function allowTaps(): Promise<void> {
  const { mode } = await stat(tunDevice);
  if ((mode & 0o006) !== 0o006) await chmod(tunDevice, (mode & 0o777) | 0o666);
}

/** The host's table as it has to be, with these forwards beside those that are there. */
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

/** All of it anew, or none where there is no slot; nobody makes or removes one meanwhile. */
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

/** Removes a slot with all it has on the host, and after the last one what all share. False: somebody else is at it. */
export async function takeDown(host: SlotHost, slot: SlotRecord): Promise<boolean> {
  if (!host.registry.startRemoval(slot)) return false;
  await removeSlot(host, slot.number, slot.forwards);
  return true;
}

/** Ports that lead to a slot, its namespace and link, the connections that went through it, and its record if there is one. */
export async function removeSlot(host: SlotHost, number: number, forwards: readonly PortForward[] = []): Promise<void> {
  await run(host, [
    ...(forwards.length === 0 ? [] : [told('nft -f -', removeForwards(number, forwards))]),
    // What is missing was removed before, or never made.
    told('ip -force -batch -', removal(number), '2>/dev/null || :'),
    // What the guest began, and what came in by its forwarded ports. It ends with 1 when there was nothing.
    ...['--orig-src', '--reply-src'].map(
      (direction) =>
        `said=$(conntrack -D ${direction} ${addressOf(number)} 2>&1 >/dev/null) || [ $? = 1 ] || { echo "$said"; exit 2; }\n`,
    ),
  ]);
  if (isOnHost(number)) throw new NovaError('network_failed', `The network slot ${number} could not be removed.`);
  host.registry.remove(number, () => removeHostTraces(host.registry));
}

/** Under the registry's lock: whoever reserves a slot next makes the table anew. */
function removeHostTraces(registry: SlotRegistry): void {
  turnOff(registry);
  nftAtOnce(removeHostRules);
}

/** A program that hangs in the kernel for longer than this would hold up everyone who waits for the lock, ms. */
const nftMs = 10_000;

/** For what is done under the registry's lock: a few milliseconds. */
function nftAtOnce(input: string): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input, env, encoding: 'utf8', timeout: nftMs });
  if (status !== 0) throw new NovaError('network_failed', `nft ended with ${status}: ${stderr.trim()}`);
}

/** Before a program of a script: it ends with the script. Nothing is made behind the back of those who clear up after a process that was killed. */
const bound = 'setpriv --pdeathsig KILL';

/** The shell command that gives `input` to a program; `rest` follows in the same command. */
const told = (command: string, input: string, rest = ''): string =>
  `${bound} ${command} <<'input' ${rest}\n${input}input\n`;

async function run({ launcher }: SlotHost, steps: readonly string[], signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal, 'before its network was made');
  try {
    await launcher.run(steps.join(''));
  } catch (error) {
    throwIfAborted(signal, 'while its network was made');
    if (!(error instanceof LaunchFailure)) throw error;
    throw new NovaError('network_failed', `The network of a sandbox could not be set up: ${error.message}`, {
      cause: error,
    });
  }
  throwIfAborted(signal, 'while its network was made');
}
