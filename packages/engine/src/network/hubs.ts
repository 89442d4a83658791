import { existsSync, readdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Isolation } from '@novasandbox/protocol';
import { withLock } from '../artifacts/lock.ts';
import type { Membership } from '../ports/network.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import {
  gatewayAddress,
  guestAddress,
  memberLinkPrefix,
  memberMark,
  namespaceDirectory,
  namespaceOf,
  tap,
} from './addressing.ts';
import { inNamespace, inside, run, type SlotHost } from './commands.ts';

/**
 * A hub is what a private network is on the host, while it has members: a network namespace with a bridge, and a link
 * to the slot of each member. The guest needs no second interface: its slot routes between it and the hub, and puts the
 * member's address in place of the guest's, so a clone finds its own addresses whatever its snapshot had. Frames of a
 * guest end in its slot. The hub checks the senders nevertheless, port by port.
 */

const hubPrefix = 'novanet-';
const hubPattern = /^novanet-[0-9a-f]{8}-[a-z0-9]{20}$/;

/** The name of the namespace. Networks of other state folders have others, also those that were copied from here. */
export const hubOf = (home: string, network: string): string =>
  `${hubPrefix}${createHash('sha256').update(home).digest('hex').slice(0, 8)}-${network}`;

/** The hubs of this host, whichever state folder they belong to. */
export function hubsOnHost(): string[] {
  try {
    return readdirSync(namespaceDirectory).filter((name) => hubPattern.test(name));
  } catch {
    return [];
  }
}

/** The end in the hub of the link to a slot, and that in the slot of its n-th membership. */
const portOf = (number: number): string => `m${number}`;
const linkAt = (index: number): string => `${memberLinkPrefix}${index}`;

/**
 * Locally administered, and made of the member's address, so that what others have learnt by ARP stays right where the
 * member goes on in another slot.
 */
const macOf = (address: string): string =>
  ['02', '6e', ...address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))].join(':');

const hubTable = 'bridge network';
/** The rules of a slot about its networks; the table lies beside the slot's fixed one. */
export const membersTable = 'ip members';

const between: Readonly<Record<Isolation, readonly string[]>> = {
  minimal: ['accept'],
  moderate: ['ether type arp accept', 'ether type ip ip protocol icmp accept', 'drop'],
  strict: ['drop'],
};

/** Input for nft(8) that sets what members may send each other, in one step. */
const isolationRules = (isolation: Isolation): string =>
  [
    `add table ${hubTable}`,
    `add chain ${hubTable} between`,
    `flush chain ${hubTable} between`,
    ...between[isolation].map((rule) => `add rule ${hubTable} between ${rule}`),
    '',
  ].join('\n');

/** The rules that all ports share. What comes from no known port is dropped, and the hub itself hears nothing. */
const hubRules = (isolation: Isolation): string =>
  [
    isolationRules(isolation).trimEnd(),
    `add map ${hubTable} ports { type ifname : verdict; }`,
    `add chain ${hubTable} through { type filter hook forward priority 0; policy drop; }`,
    `flush chain ${hubTable} through`,
    `add rule ${hubTable} through iifname vmap @ports`,
    `add chain ${hubTable} here { type filter hook input priority 0; policy drop; }`,
    '',
  ].join('\n');

/** A member sends from its own address alone, by ARP too. */
function portRules(number: number, address: string): string {
  const port = portOf(number);
  const mac = macOf(address);
  const rules = [
    `ether saddr != ${mac} drop`,
    `ether type arp arp saddr ether != ${mac} drop`,
    `ether type arp arp saddr ip != ${address} drop`,
    `ether type ip ip saddr != ${address} drop`,
    'ether type != { ip, arp } drop',
    'jump between',
  ];
  return [
    `add chain ${hubTable} ${port}`,
    `flush chain ${hubTable} ${port}`,
    ...rules.map((rule) => `add rule ${hubTable} ${port} ${rule}`),
    `add element ${hubTable} ports { "${port}" : goto ${port} }`,
    '',
  ].join('\n');
}

const nft = (rules: string): string => `nft -f - <<'rules'\n${rules}rules`;

/**
 * Makes the hub where it is missing, and what is missing of it. A namespace whose maker was killed before it was
 * mounted is an empty file, which has to go first.
 */
function makeHub(hub: string, { bridge, isolation }: Membership): string[] {
  const path = join(namespaceDirectory, hub);
  const script = [
    'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :',
    `ip link show ${bridge} >/dev/null 2>&1 || ip link add ${bridge} type bridge`,
    `ip link set ${bridge} addrgenmode none up`,
    nft(hubRules(isolation)),
  ].join('\n');
  return [
    `nsenter --net=${path} true 2>/dev/null || { rm -f ${path}; ip netns add ${hub}; }\n`,
    inNamespace(hub, script),
  ];
}

/** Links a slot to a hub. Both ends may be there already. */
function link(hub: string, number: number, index: number, { address, prefixLength, bridge }: Membership): string[] {
  const [port, end] = [portOf(number), linkAt(index)];
  const make = `link add ${port} type veth peer name ${end} address ${macOf(address)} netns ${namespaceOf(number)}`;
  const attach = [
    `ip link show ${port} >/dev/null 2>&1 || ip ${make}`,
    `ip link set ${port} addrgenmode none master ${bridge} up`,
    nft(portRules(number, address)),
  ].join('\n');
  const inSlot = [
    `ip addr replace ${address}/${prefixLength} dev ${end}`,
    `ip link set ${end} addrgenmode none up`,
    `echo 1 > /proc/sys/net/ipv4/conf/${end}/arp_ignore`,
    `echo 1 > /proc/sys/net/ipv4/conf/${end}/rp_filter`,
  ].join('\n');
  return [inNamespace(hub, attach), inside(number, inSlot)];
}

/**
 * The rules in a slot. What the guest sends to a network is marked, so that the egress process has no say in it, and
 * leaves from the member's address. What comes for that address goes to the guest, also from the guest itself.
 */
function memberRules(memberships: readonly Membership[]): string {
  const each = (rule: (membership: Membership, index: number) => readonly string[]): string =>
    memberships.flatMap(rule).join('\n    ');
  return `
add table ${membersTable}
delete table ${membersTable}
table ${membersTable} {
  chain marking {
    type filter hook prerouting priority mangle - 10;
    ${each(({ subnet }) => [`iifname "${tap}" ip saddr ${guestAddress} ip daddr ${subnet} meta mark set ${memberMark}`])}
  }
  chain arriving {
    type nat hook prerouting priority dstnat - 20;
    ${each(({ address }, index) => [
      `iifname { "${tap}", "${linkAt(index)}" } ip daddr ${address} dnat to ${guestAddress}`,
    ])}
  }
  chain leaving {
    type nat hook postrouting priority srcnat - 20;
    ${each(({ address }, index) => [
      `iifname "${tap}" oifname "${linkAt(index)}" snat to ${address}`,
      `iifname "${tap}" oifname "${tap}" ct original ip daddr ${address} snat to ${gatewayAddress}`,
    ])}
  }
}
`;
}

/** One process at a time makes or removes a hub. The lock goes with the hub. */
const locked = ({ hubLocks }: HubHost, hub: string, signal: AbortSignal | undefined, work: () => Promise<void>) =>
  withLock(join(hubLocks, hub), { signal }, async () => {
    try {
      await work();
    } finally {
      if (!existsSync(join(namespaceDirectory, hub))) await rm(join(hubLocks, hub), { force: true });
    }
  });

type HubHost = Pick<SlotHost, 'launcher' | 'hubLocks'>;

/**
 * Makes the guest of a slot a member of these networks and of no others. What is there already stays, so that a call
 * finishes what a killed process has begun.
 */
export async function joinHubs(
  host: HubHost,
  home: string,
  number: number,
  memberships: readonly Membership[],
  signal?: AbortSignal,
): Promise<void> {
  for (const [index, membership] of memberships.entries()) {
    const hub = hubOf(home, membership.network);
    await locked(host, hub, signal, () =>
      run(host, [...makeHub(hub, membership), ...link(hub, number, index, membership)], signal),
    );
  }
  if (memberships.length > 0)
    await run(
      host,
      [inside(number, `echo 0 > /proc/sys/net/ipv4/conf/${tap}/send_redirects\n${nft(memberRules(memberships))}`)],
      signal,
    );
}

/** Changes what the members of a network may send each other. One without members is left alone. */
export async function isolateHub(
  host: HubHost,
  home: string,
  network: string,
  isolation: Isolation,
  signal?: AbortSignal,
): Promise<void> {
  const hub = hubOf(home, network);
  await locked(host, hub, signal, async () => {
    if (!existsSync(join(namespaceDirectory, hub))) return;
    await run(host, [inNamespace(hub, nft(isolationRules(isolation)))], signal);
  });
}

/** The hubs that a slot has links to. Quick where the host has none. */
export async function hubsOfSlot(number: number): Promise<string[]> {
  if (hubsOnHost().length === 0) return [];
  const links = await linksIn(namespaceOf(number));
  return [...links.matchAll(/ link-netns (novanet-\S+)/g)]
    .map(([, hub = '']) => hub)
    .filter((hub) => hubPattern.test(hub));
}

/** Cuts a slot's link to a hub, and removes the hub with its last link. */
export async function leaveHub(host: HubHost, hub: string, number: number): Promise<void> {
  await locked(host, hub, undefined, async () => {
    const port = portOf(number);
    const script = [
      `ip link del ${port} 2>/dev/null || :`,
      `nft delete element ${hubTable} ports \\{ "${port}" \\} 2>/dev/null || :`,
      `nft delete chain ${hubTable} ${port} 2>/dev/null || :`,
    ].join('\n');
    await run(host, [inNamespace(hub, script)]);
    await removeEmpty(host, hub);
  });
}

/** Removes hubs without members, of any state folder: their makers were killed, or the slots of all members ended. */
export async function sweepHubs(host: HubHost): Promise<void> {
  for (const hub of hubsOnHost()) await locked(host, hub, undefined, () => removeEmpty(host, hub));
}

/** Under the lock of the hub. */
async function removeEmpty(host: HubHost, hub: string): Promise<void> {
  const path = join(namespaceDirectory, hub);
  if (!existsSync(path) || (await portsOf(hub)).length > 0) return;
  await run(host, [`ip netns del ${hub} 2>/dev/null || rm -f ${path}\n`]);
}

/** The links of a hub to slots; none where it is half-made. */
const portsOf = async (hub: string): Promise<string[]> =>
  [...(await linksIn(hub)).matchAll(/^\d+: (m\d+)@/gm)].map(([, port = '']) => port);

/** The pairs of links that have an end in that namespace, a line each; none where there is no such namespace. */
async function linksIn(namespace: string): Promise<string> {
  try {
    return await runCommand('ip', ['-n', namespace, '-o', 'link', 'show', 'type', 'veth']);
  } catch (error) {
    if (error instanceof CommandFailure) return '';
    throw error;
  }
}
