import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { sdkUnderTest } from '../support/sdk.ts';

const folder = join(import.meta.dirname, '../../examples');

/** The expected stdout of each example. */
const expected: Readonly<Record<string, RegExp>> = {
  'quickstart.ts': /^kernel of the guest: Linux \d.*\nthe answer: 42\n$/,
  'basic-usage.ts':
    /^Sandbox [a-z0-9]+ started in [\d.]+ ms\n2 CPUs in the guest\nstate: paused\nmemory in use: some of \d+ MB\nstate: stopped\n$/,
  'best-of-n.ts': /^before: 1 of 4 tests pass\npatch 3: 4 of 4 tests pass\nthe project has: .*middle.*\n$/,
  'many-at-once.ts': /^squares: 0 1 4 9 16\n$/,
  'streaming.ts': /^step 1\nstep 2\nstep 3\nHELLO FROM THE HOST\nexit code 3: out of luck\ntimed out: true\n$/,
  'files.ts': /^1 2 3\nfile: today.md\nfalse\n$/,
  'untrusted-code.ts':
    /^user: user\nnetwork: unreachable\n(memory: refused\nit ended by itself|it went too far and was ended)\n$/,
  'monitoring.ts': /^the work took CPU time: true\n$/,
  'web-server.ts': /^served from a microVM\n$/,
  'own-driver.ts': /^the niceness of its commands: \d\d\n$/,
};

test('every example is tested', () => {
  assert.deepEqual(
    readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .sort(),
    Object.keys(expected).sort(),
  );
});

for (const [name, output] of Object.entries(expected)) {
  test(`examples/${name} runs, and leaves nothing`, async () => {
    await using sdk = await sdkUnderTest();
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(folder, name)], {
      env: sdk.home.env,
    });
    const { code, stdout, stderr } = await finished(child);
    assert.equal(code, 0, stderr);
    assert.match(stdout, output, stderr);
  });
}
