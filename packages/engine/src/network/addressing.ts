import type { NetworkSlot } from '../ports/network.ts';

/** Names and addresses. Inside a slot all are constants; outside, those of a slot are derived from its number. */

/** Number of slots of a host. */
export const slotCount = 8192;

/**
 * The names of the host's interfaces that belong to slots, and of no others, begin with this: the rules match all of
 * them at once.
 */
export const linkPrefix = 'nv';
const namespacePrefix = 'nova-';
export const namespaceDirectory = '/run/netns';

export const linkOf = (number: number): string => `${linkPrefix}${number}`;
export const namespaceOf = (number: number): string => `${namespacePrefix}${number}`;

/** Null: the name is not one of ours. */
export const numberOfLink = (link: string): number | null => numberIn(link, linkPrefix);
export const numberOfNamespace = (namespace: string): number | null => numberIn(namespace, namespacePrefix);
function numberIn(name: string, prefix: string): number | null {
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^[1-9]\d{0,4}$/.test(digits) ? Number(digits) : null;
}

/**
 * RFC 2544 reserves this range for tests of network devices, so no host or service has an address in it. None of it
 * leaves the host. Its first half is between host and slots; the egress process gives names addresses of the second.
 */
export const ownRange = '198.18.0.0/15';
/** The host's end of every slot. No interface has this address: the rules decide what happens to packets sent to it. */
export const hostEnd = '198.18.0.1';
/** Addresses of slots. */
export const slotAddresses = '198.18.128.0/17';
export const addressOf = (number: number): string => `198.18.${128 + (number >> 8)}.${number & 0xff}`;

/**
 * Locally administered addresses. They are pinned at both ends of each link, so that no ARP query is needed and an ARP
 * cache restored with a snapshot is right.
 */
export const macs = {
  guest: '02:6e:6f:76:61:01',
  gateway: '02:6e:6f:76:61:02',
  slot: '02:6e:6f:76:61:03',
  host: '02:6e:6f:76:61:04',
} as const;

export const tap = 'tap0';
/** The slot's end of its link to the host. */
export const uplink = 'up0';
/** The slot's ends of its links to private networks begin with this. */
export const memberLinkPrefix = 'net';
export const memberLinks = `${memberLinkPrefix}*`;
export const guestAddress = '172.16.255.2';
export const gatewayAddress = '172.16.255.1';
export const prefixLength = 30;

/**
 * The listeners of the egress process in a slot with a policy, which host/listen opens. The rules hand all TCP of the
 * guest to the first, and its queries for names to the second, whichever address they are sent to. A VMM, which lives
 * in the slot too, may not listen on ports below 1024.
 */
export const proxyAddress = '127.0.0.1';
export const proxyPort = 1;
export const namePort = 53;

/** Packets with this mark are delivered in the slot, whatever their address. */
export const interceptMark = 1;
/** Packets of a guest to a private network that it has joined have this mark. */
export const memberMark = 2;
/** Number of the routing table for packets with the first mark. */
export const interceptTable = 100;

export const slotOf = (number: number): NetworkSlot => ({
  number,
  machine: { mode: 'tap', namespace: namespaceOf(number), tap, mac: macs.guest },
  guest: {
    interface: 'eth0',
    address: `${guestAddress}/${prefixLength}`,
    gateway: gatewayAddress,
    dns: [gatewayAddress],
  },
});
