import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** A range of IPv4 addresses. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

export const numberOf = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** `cidr` is `a.b.c.d` or `a.b.c.d/n`, as the schema of rules has it. */
export function rangeOf(cidr: string): Range {
  const [address = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor(numberOf(address) / size) * size;
  return { first, last: first + size - 1 };
}

const isWithin = (range: Range, outer: Range): boolean => outer.first <= range.first && range.last <= outer.last;
export const includes = ({ first, last }: Range, number: number): boolean => first <= number && number <= last;

/** Where no rule leads: this network, our own ranges (the addresses of slots and of names), multicast, reserved. */
const never = ['0.0.0.0/8', '198.18.0.0/15', '224.0.0.0/3'].map(rangeOf);

/**
 * The host, its neighbours, and where clouds keep their credentials: loopback, link-local, private, shared by carriers,
 * protocol assignments, and the platform service of Azure.
 */
const internal = [
  ...['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '168.63.129.16/32', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.168.0.0/16'],
].map(rangeOf);

/** Only global unicast is public, without the ranges in which an IPv4 address is hidden (NAT64, 6to4, Teredo). */
const publicIPv6 = new BlockList();
publicIPv6.addSubnet('2000::', 3, 'ipv6');
const hiddenIPv4 = new BlockList();
hiddenIPv4.addSubnet('2002::', 16, 'ipv6');
hiddenIPv4.addSubnet('2001::', 32, 'ipv6');

/** How long the host's own addresses are believed, ms. */
const ownForMs = 2000;

/** Tells public addresses from those of the host and its networks. */
export interface Surroundings {
  isPublic(address: string): boolean;
  /**
   * Whether a rule with that range names internal addresses by themselves. A wider one, such as 0.0.0.0/0, does not
   * mean them.
   */
  isInternal(range: Range): boolean;
  /** Whether no rule may lead there. */
  isNever(address: string): boolean;
}

/** @param interfaces gives the interfaces of the host */
export function surroundingsOf(interfaces: typeof networkInterfaces = networkInterfaces): Surroundings {
  let own: ReadonlySet<string> = new Set();
  let readAt = -Infinity;
  const ownAddresses = (): ReadonlySet<string> => {
    if (performance.now() - readAt > ownForMs) {
      own = new Set(Object.values(interfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []));
      readAt = performance.now();
    }
    return own;
  };
  const isNever = (address: string): boolean =>
    isIPv4(address) && never.some((range) => includes(range, numberOf(address)));
  return {
    isNever,
    isPublic(address) {
      if (ownAddresses().has(address)) return false;
      if (!isIPv4(address)) return publicIPv6.check(address, 'ipv6') && !hiddenIPv4.check(address, 'ipv6');
      return !isNever(address) && !internal.some((range) => includes(range, numberOf(address)));
    },
    isInternal: (range) =>
      internal.some((outer) => isWithin(range, outer)) ||
      (range.first === range.last &&
        [...ownAddresses()].some((each) => isIPv4(each) && numberOf(each) === range.first)),
  };
}
