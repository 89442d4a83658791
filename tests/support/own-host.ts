import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs a program of the tests on a host of its own: its network namespace, its /run and its resolv.conf, whose path is
 * its argument, are shared with nobody.
 */
export function runOnOwnHost(program: string): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const directory = mkdtempSync(join(tmpdir(), 'nova-host-'));
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(resolvConf, '');
  try {
    const script = [
      'set -e',
      'mount -t tmpfs tmpfs /run',
      'mount --bind "$1" "$(readlink -f /etc/resolv.conf)"',
      'exec "$2" --disable-warning=ExperimentalWarning "$3" "$1"',
    ].join('\n');
    const inside = new URL(program, import.meta.url).pathname;
    const apart = ['--net', '--mount', '--propagation', 'private'];
    return spawnSync('unshare', [...apart, '/bin/sh', '-c', script, 'host', resolvConf, process.execPath, inside], {
      encoding: 'utf8',
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
