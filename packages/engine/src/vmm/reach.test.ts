import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { removeCgroup } from './cgroup.ts';
import { identify } from './process-identity.ts';
import { reach } from './reach.ts';
import { socketServer } from './testing/socket-server.ts';
import { unixHttpClient, type UnixHttpClient } from './unix-http.ts';

const id = `reach${process.pid}`;
const limits = { memoryBytes: 64 << 20, cpus: 1, processes: 16 };

interface Client extends UnixHttpClient, Disposable {
  readonly socket: Socket;
}

function open(socket: Socket): Client {
  const http = unixHttpClient(socket);
  // The VMM dies without reading this, which resets the connection.
  socket.write('\r\n');
  return { socket, ...http, [Symbol.dispose]: () => http.close() };
}

/** A process that stands in for a VMM, and its socket. */
async function vmm(serve: (socket: Socket) => void) {
  await using undo = new AsyncDisposableStack();
  const server = undo.use(await socketServer(serve));
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  undo.defer(() => removeCgroup(id));
  undo.defer(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const identity = identify(child.pid ?? 0);
  assert.ok(identity !== null);
  const owned = undo.move();
  const options = { spec: { id, directory: '/nonexistent' }, vmm: identity, path: server.path, open, limits };
  return { options, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

test('what is told to a VMM is told within its cgroup', async () => {
  await using each = await vmm((socket) =>
    socket.on('data', (heard) => heard.includes('GET /') && socket.write('HTTP/1.1 204 \r\n\r\n')),
  );
  const { client, cgroup } = await reach(each.options);
  using api = client;
  if (cgroup !== null)
    assert.match(readFileSync(`/proc/${each.options.vmm.pid}/cgroup`, 'utf8'), new RegExp(`novasandbox/${id}\n`));
  assert.equal((await api.call('GET', '/')).status, 204);
});

test('a connection that is reset while the cgroup is entered fails the first call, and nothing else', async () => {
  await using each = await vmm((socket) => socket.pause() && setImmediate(() => socket.destroy()));
  const { client } = await reach(each.options);
  using api = client;
  await assert.rejects(api.call('GET', '/'), (error) => isNovaError(error, 'vmm_failed'));
});

test('a VMM that has ended is told as such, though it can enter no cgroup', async () => {
  await using each = await vmm(() => undefined);
  process.kill(each.options.vmm.pid, 'SIGKILL');
  const gone = { ...each.options, path: `${each.options.path}-never` };
  await assert.rejects(reach(gone), (error) => isNovaError(error, 'vmm_failed') && /did not start/.test(error.message));
  assert.ok(!existsSync(gone.path));
});

test('a call that is cancelled meanwhile leaves no connection', async () => {
  await using each = await vmm(() => undefined);
  const controller = new AbortController();
  let opened: Socket | undefined;
  const cancelled = reach({
    ...each.options,
    signal: controller.signal,
    open: (socket) => {
      opened = socket;
      controller.abort();
      return open(socket);
    },
  });
  await assert.rejects(cancelled, (error) => isNovaError(error, 'cancelled'));
  assert.equal(opened?.destroyed, true);
});
