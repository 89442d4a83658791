import type { PortForward } from '../ports/network.ts';
import {
  addressOf,
  gatewayAddress,
  guestAddress,
  hostEnd,
  interceptMark,
  linkPrefix,
  memberLinks,
  memberMark,
  namePort,
  ownRange,
  slotAddresses,
  tap,
  uplink,
} from './addressing.ts';

/**
 * Input for nft(8). One table on the host serves all slots, and its rules do not grow with their number. Each slot has
 * a fixed table of its own.
 */

export const table = 'inet novasandbox';
const forwardMap = `add map ${table} forwards { type inet_service : ipv4_addr . inet_service; }`;
/** The last chain of the table: where it exists, the whole table does. */
export const lastChain = 'through';

/**
 * Ranges that no guest reaches directly, whatever the routes say: this network, private networks, those of carriers,
 * loopback, link-local (where clouds keep their metadata and credentials), protocol assignments, our own range,
 * multicast and reserved. The egress process reaches private ones for guests whose policy names them.
 */
const unreachable = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.168.0.0/16', ownRange, '224.0.0.0/3'],
];

/** Connections that a guest may have at once, because each costs memory of the host's kernel. */
export const connectionLimit = 8192;

export const dns = 'meta l4proto { tcp, udp } th dport 53';

export interface HostRules {
  /** Where guests' name queries are sent. Null: the host knows no resolver. */
  readonly resolver: string | null;
  /** Interfaces that forward only because of us: packets that arrive there go to slots or are dropped. */
  readonly forwardingInterfaces: readonly string[];
}

/**
 * The host's table. It is made where it is missing and corrected where it exists, in one atomic step. Forwards stay as
 * they are.
 */
export function hostRules({ resolver, forwardingInterfaces }: HostRules): string {
  const fromSlot = `iifname "${linkPrefix}*"`;
  const toSlot = `oifname "${linkPrefix}*"`;
  const notToSlot = `oifname != "${linkPrefix}*"`;
  const redirect = resolver === null ? [] : [`${fromSlot} ip daddr ${hostEnd} ${dns} dnat ip to ${resolver}`];
  return [
    `add table ${table}`,
    forwardMap,
    `add set ${table} unreachable { type ipv4_addr; flags interval; }`,
    `flush set ${table} unreachable`,
    `add element ${table} unreachable { ${unreachable.join(', ')} }`,
    `add set ${table} forwarding { type ifname; }`,
    `flush set ${table} forwarding`,
    ...(forwardingInterfaces.length === 0
      ? []
      : [`add element ${table} forwarding { ${forwardingInterfaces.map((name) => `"${name}"`).join(', ')} }`]),
    // The requests that slots may make are judged before anybody's destination NAT, so that a port that the host
    // publishes still counts as the host's.
    ...chain('arriving', 'filter hook prerouting priority mangle', [
      `iifname != "${linkPrefix}*" return`,
      'meta nfproto != ipv4 drop',
      'ct state established,related accept',
      `ip daddr ${hostEnd} ${dns} accept`,
      'fib daddr type != unicast drop',
      `ip daddr @unreachable drop`,
    ]),
    ...chain('resolving', 'nat hook prerouting priority dstnat', redirect),
    // A resolver on the host's loopback answers only queries that it takes for local.
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
      // Local users reach a guest only by its forwarded port.
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

/** Each element is added before it is removed, so that a missing one is no error. */
export function removeForwards(number: number, forwards: readonly PortForward[]): string {
  if (forwards.length === 0) return '';
  const ports = forwards.map(({ hostPort }) => hostPort).join(', ');
  return `add table ${table}\n${forwardMap}\n${addForwards(number, forwards)}delete element ${table} forwards { ${ports} }\n`;
}

/**
 * The rules inside a slot, which hold even when somebody flushes the host's. The guest sends only from its own address
 * and reaches nothing in the namespace except pings and, under a policy (interception.ts), the listeners of the egress
 * process. Only connections that the host forwards reach the guest, from their first packet on.
 *
 * @param number null: the slot has no link to the host, and connections to forwarded ports begin in the slot itself
 */
export function slotRules(number: number | null): string {
  return `
table ip slot {
${number === null ? unlinked : linked(number)}
  chain here {
    type filter hook input priority filter; policy drop;
    icmp type echo-request accept
    iifname "${tap}" meta mark ${interceptMark} accept
    iifname "${tap}" ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport ${namePort} accept
${number === null ? `    iifname "${tap}" ct direction reply accept\n` : ''}  }
  chain own {
    type filter hook output priority filter; policy drop;
    icmp type { echo-reply, destination-unreachable, time-exceeded } accept
    oifname "${tap}" ct direction reply accept
${number === null ? `    oifname "${tap}" ip daddr ${guestAddress} meta l4proto tcp accept\n` : ''}  }
}
`;
}

const unlinked = `
  chain through {
    type filter hook forward priority filter; policy drop;
  }`;

const linked = (number: number): string => `
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
    iifname "${tap}" oifname { "${memberLinks}", "${tap}" } ip saddr ${guestAddress} meta mark ${memberMark} accept
    iifname "${memberLinks}" oifname "${tap}" ct status dnat accept
    iifname "${uplink}" ct status dnat tcp flags & (fin | syn | rst | ack) == syn accept
  }`;
