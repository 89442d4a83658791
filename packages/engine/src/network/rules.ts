import type { PortForward } from '../ports/network.ts';
import {
  addressOf,
  gatewayAddress,
  guestAddress,
  hostEnd,
  linkPrefix,
  slotAddresses,
  slotRange,
  tap,
  uplink,
} from './addressing.ts';

/** What nft(8) is told. One table on the host for all slots, whose rules do not grow with their number; a fixed one in each slot. */

export const table = 'inet novasandbox';
const forwardMap = `add map ${table} forwards { type inet_service : ipv4_addr . inet_service; }`;
/** Where it is, all of the table is. */
export const lastChain = 'through';

/**
 * Where no guest gets to whatever the routes say: this network, loopback, link-local (there clouds keep their metadata and credentials), our
 * own range, multicast and reserved. Private ranges beyond the host are reachable.
 */
const unreachable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', slotRange, '224.0.0.0/3'];

/** Connections a guest may have at once: each costs the host kernel memory. */
const connectionLimit = 8192;

const dns = 'meta l4proto { tcp, udp } th dport 53';

export interface HostRules {
  /** Where guests' name queries go. Null: the host knows no resolver. */
  readonly resolver: string | null;
  /** Interfaces that forward only because of us: what comes in there goes to slots or nowhere. */
  readonly forwardingInterfaces: readonly string[];
}

/** The host's table: made where it is missing, set right where it is there, all at once or not at all. Forwards stay as they are. */
export function hostRules({ resolver, forwardingInterfaces }: HostRules): string {
  const fromSlot = `iifname "${linkPrefix}*"`;
  const toSlot = `oifname "${linkPrefix}*"`;
  const notToSlot = `oifname != "${linkPrefix}*"`;
  const redirect = resolver === null ? [] : [`${fromSlot} ip daddr ${hostEnd} ${dns} dnat ip to ${resolver}`];
  return [
    `add table ${table}`,
    forwardMap,
    `add set ${table} unreachable { type ipv4_addr; flags interval; }`,
    `add element ${table} unreachable { ${unreachable.join(', ')} }`,
    `add set ${table} forwarding { type ifname; }`,
    `flush set ${table} forwarding`,
    ...(forwardingInterfaces.length === 0
      ? []
      : [`add element ${table} forwarding { ${forwardingInterfaces.map((name) => `"${name}"`).join(', ')} }`]),
    // What slots may ask for, judged before anybody's destination NAT: a port that the host publishes is the host's all the same.
    ...chain('arriving', 'filter hook prerouting priority mangle', [
      `iifname != "${linkPrefix}*" return`,
      'meta nfproto != ipv4 drop',
      'ct state established,related accept',
      `ip daddr ${hostEnd} ${dns} accept`,
      'fib daddr type != unicast drop',
      `ip daddr @unreachable drop`,
    ]),
    ...chain('resolving', 'nat hook prerouting priority dstnat', redirect),
    // A resolver on the host's loopback answers only those it takes for local.
    ...chain('resolving_here', 'nat hook input priority 100', [
      `${fromSlot} ip daddr 127.0.0.0/8 snat ip to 127.0.0.1`,
    ]),
    ...chain('forwarding_ports', 'nat hook output priority -100', [
      'ip daddr 127.0.0.1 dnat ip to tcp dport map @forwards',
    ]),
    ...chain('leaving', 'nat hook postrouting priority srcnat', [
      `${toSlot} snat ip to ${hostEnd}`,
      `ip saddr ${slotAddresses} masquerade`,
    ]),
    ...chain('to_host', 'filter hook input priority filter', [
      `${fromSlot} ct state established,related accept`,
      `${fromSlot} ct status dnat ${dns} accept`,
      `${fromSlot} drop`,
    ]),
    ...chain('from_host', 'filter hook output priority filter', [
      // Local users get into a guest by its forwarded port or not at all.
      `${toSlot} ct state new ct status & dnat != dnat reject`,
    ]),
    ...chain(lastChain, 'filter hook forward priority filter', [
      `${fromSlot} ${toSlot} drop`,
      `${fromSlot} tcp flags syn tcp option maxseg size set rt mtu`,
      `${toSlot} ct state established,related accept`,
      `${toSlot} drop`,
      `iifname @forwarding iifname != "${linkPrefix}*" ${notToSlot} drop`,
    ]),
    '',
  ].join('\n');
}

function chain(name: string, hook: string, rules: readonly string[]): string[] {
  return [
    `add chain ${table} ${name} { type ${hook}; }`,
    `flush chain ${table} ${name}`,
    ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
  ];
}

export const removeHostRules = `add table ${table}\ndelete table ${table}\n`;

export function addForwards(number: number, forwards: readonly PortForward[]): string {
  if (forwards.length === 0) return '';
  const elements = forwards.map(({ hostPort, guestPort }) => `${hostPort} : ${addressOf(number)} . ${guestPort}`);
  return `add element ${table} forwards { ${elements.join(', ')} }\n`;
}

/** What is missing is fine: it is added before it is removed. */
export function removeForwards(number: number, forwards: readonly PortForward[]): string {
  if (forwards.length === 0) return '';
  const ports = forwards.map(({ hostPort }) => hostPort).join(', ');
  return `add table ${table}\n${forwardMap}\n${addForwards(number, forwards)}delete element ${table} forwards { ${ports} }\n`;
}

/**
 * The rules inside a slot, which hold also when somebody flushes the host's: the guest speaks from its own address, reaches nothing of the
 * namespace but its name service and pings, and only the host's forwarded connections reach it, from their first packet on.
 */
export function slotRules(number: number): string {
  return `
table ip slot {
  chain arriving {
    type nat hook prerouting priority dstnat;
    iifname "${tap}" ip daddr ${gatewayAddress} ${dns} dnat to ${hostEnd}
    iifname "${uplink}" ip saddr ${hostEnd} dnat to ${guestAddress}
  }
  chain leaving {
    type nat hook postrouting priority srcnat;
    oifname "${uplink}" snat to ${addressOf(number)}
  }
  chain through {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct state new ct count over ${connectionLimit} drop
    iifname "${tap}" oifname "${uplink}" ip saddr ${guestAddress} ip daddr ${hostEnd} ct status dnat accept
    iifname "${tap}" oifname "${uplink}" ip saddr ${guestAddress} ip daddr != { ${unreachable.join(', ')} } accept
    iifname "${uplink}" ct status dnat tcp flags & (fin | syn | rst | ack) == syn accept
  }
  chain here {
    type filter hook input priority filter; policy drop;
    icmp type echo-request accept
  }
  chain own {
    type filter hook output priority filter; policy drop;
    icmp type { echo-reply, destination-unreachable, time-exceeded } accept
  }
}
`;
}
