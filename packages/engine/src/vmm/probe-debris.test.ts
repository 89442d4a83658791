import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTimeOf } from './process-identity.ts';
import { clearProbe, makeProbeFolders, reclaimProbes } from './probe-debris.ts';

const newId = (): string => `probe${randomBytes(8).toString('hex')}`;

test('what a probe has made is removed once its maker was killed, its VMM too, and not before', async () => {
  const probeDirectory = await mkdtemp(join(tmpdir(), 'nova-probes-'));
  try {
    const [ours, theirs] = [newId(), newId()];
    const own = await makeProbeFolders(probeDirectory, ours);
    const script = `
      import { spawn } from 'node:child_process';
      import { makeProbeFolders } from ${JSON.stringify(join(import.meta.dirname, 'probe-debris.ts'))};
      const { sockets } = await makeProbeFolders(${JSON.stringify(probeDirectory)}, '${theirs}');
      const vmm = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)', sockets + '/qmp'], { detached: true, stdio: 'ignore' });
      console.log(vmm.pid, sockets);
      setInterval(() => undefined, 1000);`;
    const maker = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(maker.stdout, 'data')) as [Buffer];
    const [pid = '', sockets = ''] = said.toString().trim().split(' ');
    await reclaimProbes(probeDirectory);
    assert.deepEqual((await readdir(probeDirectory)).sort(), ['making', ours, theirs].sort(), 'both makers live');

    maker.kill('SIGKILL');
    await once(maker, 'exit');
    await reclaimProbes(probeDirectory);
    assert.deepEqual((await readdir(probeDirectory)).sort(), ['making', ours].sort());
    assert.equal(existsSync(sockets), false);
    assert.equal(startTimeOf(Number(pid)), null);
    assert.equal(existsSync(own.sockets), true);
    await clearProbe(probeDirectory, ours);
    assert.deepEqual(await readdir(probeDirectory), ['making']);
    assert.deepEqual(await readdir(join(probeDirectory, 'making')), []);
    assert.equal(existsSync(own.sockets), false);
  } finally {
    await rm(probeDirectory, { recursive: true });
  }
});
