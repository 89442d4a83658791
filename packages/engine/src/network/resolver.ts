import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';

/**
 * Where the host sends its own name queries: the first IPv4 server of resolv.conf(5). If that is the stub of
 * systemd-resolved, which listens only on the loopback interface, the first of its servers. Null when there is none.
 */
export function hostResolver(
  file = '/etc/resolv.conf',
  behindStub = '/run/systemd/resolve/resolv.conf',
): string | null {
  const [first = null] = servers(file);
  if (first !== '127.0.0.53' && first !== '127.0.0.54') return first;
  return servers(behindStub).find((server) => !server.startsWith('127.')) ?? null;
}

function servers(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)]
    .map(([, server = '']) => server)
    .filter((server) => isIPv4(server));
}
