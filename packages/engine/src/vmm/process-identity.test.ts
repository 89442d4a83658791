import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { identify, isAlive } from './process-identity.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';

test(
  'a process that has ended is not alive from that moment on, also while its parent has not taken note',
  { skip },
  async () => {
    // The program that the shell becomes does not know of its child.
    const parent = spawn('/bin/sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(said.toString());
      const child = identify(pid);
      assert.ok(child !== null && isAlive(child));
      process.kill(pid, 'SIGKILL');
      while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')));
      assert.equal(isAlive(child), false);
      assert.equal(identify(pid), null);
    } finally {
      parent.kill('SIGKILL');
    }
  },
);
