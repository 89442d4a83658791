import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { runCommand } from './command.ts';
import { installRemedy, lackedPackages } from './debian-packages.ts';

/** Nothing must be found except in /usr/sbin and /sbin, where commands are searched on every host. */
async function withoutPrograms(work: () => Promise<void> | void): Promise<void> {
  const { PATH, NOVA_MIRROR } = process.env;
  process.env['PATH'] = '/nonexistent';
  delete process.env['NOVA_MIRROR'];
  try {
    await work();
  } finally {
    process.env['PATH'] = PATH;
    if (NOVA_MIRROR !== undefined) process.env['NOVA_MIRROR'] = NOVA_MIRROR;
  }
}
const options = { skip: process.platform === 'linux' ? false : 'Debian is Linux' };

test('all that is missing is named at once, by the names of Debian', options, () =>
  withoutPrograms(() => {
    const lacked = lackedPackages();
    for (const name of ['mmdebstrap', 'zstd', 'util-linux', 'cargo-web rustc-web libc6-dev'])
      assert.ok(lacked.includes(name), name);
    assert.match(lacked[0] ?? '', /^qemu-system-/);
    assert.equal(new Set(lacked).size, lacked.length);
    // A mirror may have the programs that would need Rust to build.
    process.env['NOVA_MIRROR'] = 'file:///mirror';
    assert.ok(!lackedPackages().some((name) => name.includes('cargo') || name.includes('gcc')));
    assert.ok(lackedPackages('cargo').includes('cargo-web rustc-web libc6-dev'));
  }),
);

test('a command that is not there is an error with that remedy', options, () =>
  withoutPrograms(() =>
    assert.rejects(runCommand('mmdebstrap', []), (error) => {
      assert.ok(isNovaError(error, 'set_up_failed'));
      assert.equal(error.hint, installRemedy('mmdebstrap'));
      assert.match(error.hint, /apt-get install qemu-system-.* mmdebstrap .* cargo-web rustc-web libc6-dev/);
      return true;
    }),
  ),
);
