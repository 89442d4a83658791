import {
  addressOf,
  gatewayAddress,
  guestAddress,
  hostEnd,
  linkOf,
  macs,
  namespaceOf,
  prefixLength,
  tap,
  uplink,
} from './addressing.ts';

/**
 * Input for ip(8), one command per line. Neighbours and routes are all static, so nothing is resolved on these links.
 */

/**
 * In the host's namespace: names the slot's namespace, or that of a process, and makes the link to it. The link, its
 * route and its neighbour go when the namespace does.
 */
export function hostLinks(number: number, within?: number): string {
  const link = linkOf(number);
  return lines(
    within === undefined ? `netns add ${namespaceOf(number)}` : `netns attach ${namespaceOf(number)} ${within}`,
    `link add ${link} address ${macs.host} type veth peer name ${uplink} address ${macs.slot} netns ${namespaceOf(number)}`,
    `link set ${link} addrgenmode none up`,
    `route add ${addressOf(number)}/32 dev ${link}`,
    `neigh add ${addressOf(number)} lladdr ${macs.slot} dev ${link} nud permanent`,
  );
}

/**
 * In the slot's namespace. The tap has no owner: any process in the namespace may attach to it, and the VMM is the only
 * one there.
 *
 * @param number null: the slot has no link to the host
 */
export const slotLinks = (number: number | null): string =>
  lines('link set lo up', ...(number === null ? [] : uplinks(number)), ...tapLinks);

const uplinks = (number: number): string[] => [
  `link set ${uplink} addrgenmode none up`,
  `addr add ${addressOf(number)}/32 dev ${uplink}`,
  `route add default via ${hostEnd} dev ${uplink} onlink`,
  `neigh add ${hostEnd} lladdr ${macs.host} dev ${uplink} nud permanent`,
];

const tapLinks = [
  `tuntap add dev ${tap} mode tap`,
  `link set ${tap} address ${macs.gateway} addrgenmode none up`,
  `addr add ${gatewayAddress}/${prefixLength} dev ${tap}`,
  `neigh add ${guestAddress} lladdr ${macs.guest} dev ${tap} nud permanent`,
];

/** The link is removed explicitly and first, because removing only the namespace would remove it a moment later. */
export function removal(number: number): string {
  return lines(`link del ${linkOf(number)}`, `netns del ${namespaceOf(number)}`);
}

const lines = (...commands: string[]): string => `${commands.join('\n')}\n`;
