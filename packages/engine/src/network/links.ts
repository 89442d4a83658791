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

/** What ip(8) is told, a command a line. Neighbours and routes are all set: nothing is asked for on these links. */

/**
 * In the host's namespace: the slot's, or that of a process given a name, and the link to it. The link, its route and its neighbour go when the
 * namespace does.
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

/** In the slot's namespace. The tap has no owner: whoever is in the namespace may attach to it, and that is the VMM alone. */
export function slotLinks(number: number): string {
  return lines(
    'link set lo up',
    `link set ${uplink} addrgenmode none up`,
    `addr add ${addressOf(number)}/32 dev ${uplink}`,
    `route add default via ${hostEnd} dev ${uplink} onlink`,
    `neigh add ${hostEnd} lladdr ${macs.host} dev ${uplink} nud permanent`,
    `tuntap add dev ${tap} mode tap`,
    `link set ${tap} address ${macs.gateway} addrgenmode none up`,
    `addr add ${gatewayAddress}/${prefixLength} dev ${tap}`,
    `neigh add ${guestAddress} lladdr ${macs.guest} dev ${tap} nud permanent`,
  );
}

/** The link is removed first and at once; that of a namespace alone would go a moment later. */
export function removal(number: number): string {
  return lines(`link del ${linkOf(number)}`, `netns del ${namespaceOf(number)}`);
}

const lines = (...commands: string[]): string => `${commands.join('\n')}\n`;
