import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoSlots } from '../support/slots.ts';

const skip = await whyNoSlots();

/** Runs on a host of its own, because the tests change resolver, forwarding and firewall. */
test('what slots need of the host is set up, mended and undone', { skip }, () => {
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
    const inside = new URL('../support/host-in-a-box.ts', import.meta.url).pathname;
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      [
        '--net',
        '--mount',
        '--propagation',
        'private',
        '/bin/sh',
        '-c',
        script,
        'host',
        resolvConf,
        process.execPath,
        inside,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.equal(stdout.match(/^passed: /gm)?.length, 6, stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
