import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { identify, isAlive } from './process-identity.ts';

const skip = process.platform === 'linux' ? false : 'reads /proc';

test(
  'a process that has ended is not alive from that moment on, also while its parent has not taken note',
  { skip },
  async () => {
    // The shell starts a child and then becomes a program that does not know of it.
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

/** The first thread of it ends, and the other one holds a port until it is told to end. */
const outlivedByThread = `
import ctypes, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
def wait():
    print(server.getsockname()[1], flush=True)
    sys.stdin.readline()
threading.Thread(target=wait).start()
ctypes.CDLL(None).pthread_exit(None)`;

test(
  'a process is alive while a thread of it holds what is open, also when its first thread has ended',
  { skip },
  async () => {
    const child = spawn('python3', ['-c', outlivedByThread], { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    try {
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      const pid = child.pid ?? 0;
      while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')));
      const holder = identify(pid);
      assert.ok(holder !== null && isAlive(holder));
      const server = createServer().listen(Number(said.toString()), '127.0.0.1');
      const [error] = (await once(server, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'EADDRINUSE', 'its port is held');
      child.kill('SIGKILL');
      await ended;
      assert.equal(isAlive(holder), false);
    } finally {
      child.kill('SIGKILL');
    }
  },
);
