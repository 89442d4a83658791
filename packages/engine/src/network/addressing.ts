import type { NetworkSlot } from '../ports/network.ts';

/** Names and addresses. Inside a slot all are constants; outside, those of one slot are made from its number. */

/** Slots of one host. */
export const slotCount = 8192;

/** Interfaces of the host that belong to slots begin so, and no others: rules are written for all of them at once. */
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
 * Between host and slots: RFC 2544 keeps 198.18.0.0/15 for tests of network devices, so no host or service has an address in it.
 * None of it leaves the host.
 */
export const slotRange = '198.18.0.0/16';
/** The host's end of every slot. No interface has it: packets to it are what the rules make of them. */
export const hostEnd = '198.18.0.1';
/** Addresses of slots. */
export const slotAddresses = '198.18.128.0/17';
export const addressOf = (number: number): string => `198.18.${128 + (number >> 8)}.${number & 0xff}`;

/** Locally administered; pinned at both ends of each link, so that nobody has to ask and an ARP cache restored with a snapshot is right. */
export const macs = {
  guest: '02:6e:6f:76:61:01',
  gateway: '02:6e:6f:76:61:02',
  slot: '02:6e:6f:76:61:03',
  host: '02:6e:6f:76:61:04',
} as const;

export const tap = 'tap0';
/** The slot's end of its link to the host. */
export const uplink = 'up0';
export const guestAddress = '172.16.255.2';
export const gatewayAddress = '172.16.255.1';
export const prefixLength = 30;

export const slotOf = (number: number): NetworkSlot => ({
  machine: { mode: 'tap', namespace: namespaceOf(number), tap, mac: macs.guest },
  guest: {
    interface: 'eth0',
    address: `${guestAddress}/${prefixLength}`,
    gateway: gatewayAddress,
    dns: [gatewayAddress],
  },
});
