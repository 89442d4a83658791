import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { CommandFailure, runCommand } from '../images/command.ts';
import type { PortForward } from '../ports/network.ts';
import type { SlotRecord, SlotRegistry } from '../ports/slot-registry.ts';
import { isAlive, type ProcessIdentity } from '../vmm/process-identity.ts';
import { addressOf, namespaceDirectory, namespaceOf, tap } from './addressing.ts';
import { ensureForwarding, openLink, turnOff, turnOn } from './forwarding.ts';
import { slotsOnHost } from './inhabitants.ts';
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

/** Makes what the registry has reserved. What there is of it after a failure, `takeDown` removes. `within`: as in ports/network.ts. */
export async function makeSlot(
  registry: SlotRegistry,
  slot: SlotRecord,
  { within, signal }: { readonly within?: ProcessIdentity | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { number, forwards } = slot;
  if (within !== undefined) requireOwnNamespace(within);
  const steps = await Promise.allSettled([
    makeHostRules(registry, addForwards(number, forwards), signal),
    allowTaps(),
    run('ip', ['-batch', '-'], hostLinks(number, within?.pid), signal).then(() => {
      openLink(number);
      return furnish(number, within !== undefined, signal);
    }),
  ]);
  // All have ended: nothing is made any more while it is taken down.
  for (const step of steps) if (step.status === 'rejected') throw step.reason;
  registry.made(number);
}

/** What a namespace shared with others gets would be theirs as well. */
function requireOwnNamespace(vmm: ProcessIdentity): void {
  if (!isAlive(vmm)) throw new NovaError('network_failed', 'The VMM whose network was to be made has ended.');
  const [its, ours] = [vmm.pid, process.pid].map((each) => readlinkSync(`/proc/${each}/ns/net`));
  if (its === ours)
    throw new NovaError('network_failed', 'The VMM was started without a network namespace of its own.');
}

/** What is set up within the namespace. `again`: it may have been furnished before. */
async function furnish(number: number, again: boolean, signal?: AbortSignal): Promise<void> {
  const script = [
    'set -e',
    'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    ...(again ? [`ip link del ${tap} 2>/dev/null || :`, 'nft delete table ip slot 2>/dev/null || :'] : []),
    `ip -batch - <<'links'`,
    `${slotLinks(number)}links`,
    `nft -f - <<'rules'`,
    `${slotRules(number)}rules`,
  ].join('\n');
  await run('nsenter', [`--net=${join(namespaceDirectory, namespaceOf(number))}`, '/bin/sh'], script, signal);
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
async function makeHostRules(registry: SlotRegistry, forwards: string, signal?: AbortSignal): Promise<void> {
  const forwardingInterfaces = registry.locked(() => ensureForwarding(registry));
  await run('nft', ['-f', '-'], `${hostRules({ resolver: hostResolver(), forwardingInterfaces })}${forwards}`, signal);
  turnOn(forwardingInterfaces);
}

export function hostRulesAreThere(): Promise<boolean> {
  return runCommand('nft', ['list', 'chain', ...table.split(' '), lastChain]).then(
    () => true,
    (error: unknown) => {
      if (error instanceof CommandFailure) return false;
      throw error;
    },
  );
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
  number: number,
  forwards: readonly PortForward[],
  signal?: AbortSignal,
): Promise<void> {
  if (forwards.length > 0) await run('nft', ['-f', '-'], addForwards(number, forwards), signal);
}

/** Removes a slot with all it has on the host, and after the last one what all share. False: somebody else is at it. */
export async function takeDown(registry: SlotRegistry, slot: SlotRecord): Promise<boolean> {
  if (!registry.startRemoval(slot)) return false;
  const { number, forwards } = slot;
  if (forwards.length > 0) await run('nft', ['-f', '-'], removeForwards(number, forwards));
  await removeSlot(registry, number);
  return true;
}

/** The namespace and the link of a slot, the connections that went through it, and its record if there is one. */
export async function removeSlot(registry: SlotRegistry, number: number): Promise<void> {
  // Forced: what is missing was removed before, or never made.
  await run('ip', ['-force', '-batch', '-'], removal(number)).catch((error: unknown) => {
    if (slotsOnHost().includes(number)) throw error;
  });
  await Promise.all(
    // What the guest began, and what came in by its forwarded ports.
    ['--orig-src', '--reply-src'].map((direction) =>
      runCommand('conntrack', ['-D', direction, addressOf(number)]).catch((error: unknown) => {
        // It ends with 1 when there was nothing.
        if (!(error instanceof CommandFailure && error.exitCode === 1)) throw error;
      }),
    ),
  );
  registry.remove(number, () => removeHostTraces(registry));
}

/** Under the registry's lock: whoever reserves a slot next makes the table anew. */
function removeHostTraces(registry: SlotRegistry): void {
  turnOff(registry);
  nftAtOnce(removeHostRules);
}

/** For what is done under the registry's lock: a few milliseconds. */
function nftAtOnce(input: string): void {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input, env, encoding: 'utf8' });
  if (status !== 0) throw new NovaError('network_failed', `nft ended with ${status}: ${stderr.trim()}`);
}

async function run(program: string, args: readonly string[], input: string, signal?: AbortSignal): Promise<void> {
  try {
    // What was begun ends with whoever began it: nothing is made behind the back of those who clear up after a process that was killed.
    await runCommand('setpriv', ['--pdeathsig', 'KILL', program, ...args], { input, signal });
  } catch (error) {
    throwIfAborted(signal, 'while its network was made');
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('network_failed', `The network of a sandbox could not be set up: ${error.message}`, {
      cause: error,
    });
  }
}
