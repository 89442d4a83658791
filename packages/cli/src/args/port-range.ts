import { InvalidArgumentError } from 'commander';
import { parsePortMapping } from './port-mapping.ts';

/** A daemon forwards at most that many ports of one sandbox. */
const mostPorts = 64;

export interface PortPair {
  readonly hostPort: number;
  readonly guestPort: number;
}

/** Parses ports as `-p` takes them, or ranges of them: `8080:80`, `8000-8010`, `8000-8010:3000-3010`. */
export function parsePortRange(text: string): readonly PortPair[] {
  const [host = '', guest = host, ...rest] = text.split(':');
  if (rest.length > 0) throw new InvalidArgumentError('Give it as host:guest: 8080:80, or 8000-8010:3000-3010.');
  const [[hostFirst, hostLast], [guestFirst, guestLast]] = [endsOf(host), endsOf(guest)];
  const pairs = [parsePortMapping(`${hostFirst}:${guestFirst}`), parsePortMapping(`${hostLast}:${guestLast}`)] as const;
  const count = pairs[1].hostPort - pairs[0].hostPort + 1;
  if (count < 1 || pairs[1].guestPort - pairs[0].guestPort + 1 !== count)
    throw new InvalidArgumentError('Give two ranges of the same length, each from the lower port on.');
  if (count > mostPorts) throw new InvalidArgumentError(`Give at most ${mostPorts} ports.`);
  return Array.from({ length: count }, (_, index) => ({
    hostPort: pairs[0].hostPort + index,
    guestPort: pairs[0].guestPort + index,
  }));
}

function endsOf(text: string): readonly [first: string, last: string] {
  const [first = '', last = first, ...rest] = text.split('-');
  return rest.length > 0 ? ['', ''] : [first, last];
}
