import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { cliUnderTest, finished } from '../support/nova-cli.ts';

/** One bench in the process itself, and one of a daemon that it starts. */
for (const measure of ['density', 'server']) {
  test(`an interrupted bench of ${measure} leaves nothing`, { timeout: 300_000 }, async () => {
    await using cli = await cliUnderTest();
    const folder = await mkdtemp(join(tmpdir(), 'nova-test-'));
    await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
    await chmod(folder, 0o711);
    const child = cli.start(['bench', '--quick', '--only', measure], { env: { TMPDIR: folder } });
    const end = finished(child);
    // It has no effect if the process has ended, as it should have.
    await using _ended = { [Symbol.asyncDispose]: async () => void (child.kill('SIGINT'), await end) };
    // Its state folder is among the temporary ones, and its files name it.
    await eventually(
      'a sandbox is being made',
      async () => {
        const homes = await readdir(folder);
        const made = await Promise.all(
          homes.map((home) => readdir(join(folder, home, 'sandboxes')).catch((): string[] => [])),
        );
        return made.some((sandboxes) => sandboxes.length > 0);
      },
      60_000,
    );
    child.kill('SIGINT');
    const { code, stderr } = await end;
    assert.deepEqual({ code, stderr }, { code: 130, stderr: '' });
    assert.deepEqual(await readdir(folder), []);
    assert.deepEqual(processesNaming(folder), []);
  });
}
