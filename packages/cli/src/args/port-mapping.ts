import { InvalidArgumentError } from 'commander';

/**
 * Parses a mapping from a port of the host's loopback to a port of the guest: `8080:80`, or `8080` for the same port on
 * both.
 */
export function parsePortMapping(text: string): { readonly hostPort: number; readonly guestPort: number } {
  const [host, guest = host, ...rest] = text.split(':').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : NaN));
  const valid = (port: number | undefined): port is number => port !== undefined && port >= 1 && port <= 65_535;
  if (!valid(host) || !valid(guest) || rest.length > 0)
    throw new InvalidArgumentError('Give it as host:guest: 8080:80.');
  return { hostPort: host, guestPort: guest };
}
