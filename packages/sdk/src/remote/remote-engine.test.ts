import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@novasandbox/engine/services';
import { isNovaError } from '@novasandbox/protocol';
import { WebSocketServer, type WebSocket } from 'ws';
import { createRemoteEngine } from './remote-engine.ts';

interface FakeDaemon extends AsyncDisposable {
  readonly engine: Engine;
  readonly requests: IncomingMessage[];
}

/** A daemon that sends whatever the test says, right or wrong. The real one is tested end to end. */
async function fakeDaemon(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  converse: (socket: WebSocket) => void = () => undefined,
): Promise<FakeDaemon> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    requests.push(request);
    converse(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const engine = createRemoteEngine({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: 'k' });
  return {
    engine,
    requests,
    [Symbol.asyncDispose]: async () => {
      await engine.close();
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

const json = (response: ServerResponse, status: number, value: unknown): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
const started = { type: 'started', process_id: 7, pid: 70, stdout_offset: 0, stderr_offset: 0 };
const exit = {
  ...{ type: 'exit', exit_code: 3, signal: null, timed_out: false, oom_killed: false, stdout_bytes: 0 },
  ...{ stderr_bytes: 0, user_us: 1, system_us: 2, max_rss_kb: 3, wall_us: 4 },
};

test('what must not be done twice carries a key, and is asked again once when no answer came', async () => {
  let failures = 1;
  await using daemon = await fakeDaemon((request, response) => {
    if (failures-- > 0) request.socket.destroy();
    else json(response, 201, { process_id: 7, pid: 70 });
  });
  const start = () => daemon.engine.exec.startDetached('box', { argv: ['true'] });
  assert.deepEqual(await start(), { execId: 7, pid: 70 });
  const keys = daemon.requests.map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 2);
  assert.ok(keys[0] !== undefined && keys[0] === keys[1], String(keys));
  await start();
  assert.notEqual(daemon.requests[2]?.headers['idempotency-key'], keys[0]);

  failures = 2;
  await assert.rejects(start(), { code: 'server_unreachable' });
  assert.equal(daemon.requests.length, 5);
  failures = 1;
  await assert.rejects(daemon.engine.exec.signal('box', 7, 9), { code: 'server_unreachable' });
  assert.equal(daemon.requests.length, 6);
});

test('an answer, be it an error, is not asked for again', async () => {
  await using daemon = await fakeDaemon((_request, response) =>
    json(response, 503, { error: { code: 'shutting_down', message: 'no', hint: 'later', details: {} } }),
  );
  await assert.rejects(daemon.engine.sandboxes.create({}), { code: 'shutting_down' });
  assert.equal(daemon.requests.length, 1);
  assert.ok(daemon.requests[0]?.headers['idempotency-key']);
});

test('names become one part of a path, and the key goes along', async () => {
  await using daemon = await fakeDaemon((_request, response) => json(response, 200, { existed: true }));
  await daemon.engine.files.remove('a/b?c', '/x &y', 'root');
  assert.equal(daemon.requests[0]?.url, '/api/v1/vms/a%2Fb%3Fc/files?path=%2Fx+%26y&user=root');
  assert.equal(daemon.requests[0]?.method, 'DELETE');
  assert.equal(daemon.requests[0]?.headers.authorization, 'Bearer k');
  await assert.rejects(daemon.engine.sandboxes.get('..'), { code: 'invalid_argument' });
  await assert.rejects(daemon.engine.sandboxes.get(''), { code: 'invalid_argument' });
});

test('errors keep code, hint and details; what is no daemon is told so', async () => {
  const answers: ((response: ServerResponse) => void)[] = [
    (r) => json(r, 409, { error: { code: 'sandbox_exists', message: 'm', hint: 'h', details: { a: 1 } } }),
    (r) => json(r, 500, { error: { code: 'of_the_future', message: 'm', hint: 'h', details: {} } }),
    (r) => r.writeHead(502).end('<html>'),
    (r) => json(r, 200, { id: 1 }),
    (r) => r.writeHead(200, { 'content-length': '100' }).write('{', () => r.destroy()),
    (r) => void r.destroy(),
  ];
  await using daemon = await fakeDaemon((_request, response) => answers.shift()?.(response));
  const get = () => daemon.engine.sandboxes.get('box1');
  await assert.rejects(get, { code: 'sandbox_exists', message: 'm', hint: 'h', details: { a: 1 } });
  await assert.rejects(get, { code: 'internal' });
  for (let left = answers.length; left > 0; left -= 1) await assert.rejects(get, { code: 'server_unreachable' });
});

test('a list of several pages is one list', async () => {
  const pages = [
    { vms: [], total: 0, next_cursor: 'more' },
    { vms: [], total: 0, next_cursor: null },
  ];
  await using daemon = await fakeDaemon((_request, response) => json(response, 200, pages.shift()));
  await daemon.engine.sandboxes.list({ all: true, labels: { a: 'b=c' } });
  assert.match(daemon.requests[0]?.url ?? '', /label=a%3Db%3Dc&limit=1000&status=all$/);
  assert.match(daemon.requests[1]?.url ?? '', /cursor=more$/);
});

test('a daemon that never answers is given up on with the signal', async () => {
  await using daemon = await fakeDaemon(() => undefined);
  const context = { signal: AbortSignal.timeout(50) };
  await assert.rejects(daemon.engine.exec.ping('box1', context), { code: 'cancelled' });
  const silent = daemon.engine.exec.start('box1', { argv: ['x'] }, { signal: AbortSignal.timeout(50) });
  await assert.rejects(silent, { code: 'cancelled' });
});

test('a start that is given up tells the daemon to kill what may run by now', async () => {
  const said = Promise.withResolvers<unknown[]>();
  const heard: unknown[] = [];
  const given = new AbortController();
  await using daemon = await fakeDaemon(
    () => undefined,
    (socket) => {
      socket.on('message', (data: Buffer) => {
        heard.push(JSON.parse(data.toString()));
        given.abort();
      });
      socket.on('close', () => said.resolve(heard));
    },
  );
  const starting = daemon.engine.exec.start('box1', { argv: ['x'] }, { signal: given.signal });
  await assert.rejects(starting, { code: 'cancelled' });
  assert.deepEqual(await said.promise, [
    { type: 'start', command: ['x'], stdin: false },
    { type: 'signal', signal: 9 },
  ]);
});

test('output waits for its reader, and arrives whole', async () => {
  const piece = Buffer.concat([Uint8Array.of(1), Buffer.alloc(65_536, 'x')]);
  const pieces = 800;
  let socket: WebSocket | undefined;
  await using daemon = await fakeDaemon(
    () => undefined,
    (opened) => {
      socket = opened;
      opened.send(JSON.stringify(started));
      for (let i = 0; i < pieces; i += 1) opened.send(piece);
      opened.send(JSON.stringify(exit));
      opened.close(1000);
    },
  );
  const process = await daemon.engine.exec.start('box1', { argv: ['x'] });
  await delay(200);
  assert.ok((socket?.bufferedAmount ?? 0) > 20_000_000, 'the daemon could send everything');
  let bytes = 0;
  for await (const chunk of process.output) bytes += chunk.bytes.length;
  assert.equal(bytes, pieces * 65_536);
  assert.equal((await process.exit).exitCode, 3);
});

test('a process that is lost, refused or garbled ends with a typed error', async () => {
  const endings: [(socket: WebSocket) => void, string][] = [
    // The client attaches again and the process is not found.
    [(s) => s.terminate(), 'process_not_found'],
    [(s) => s.close(1001), 'process_not_found'],
    [(s) => s.close(1012), 'process_not_found'],
    [(s) => s.close(1000), 'server_unreachable'],
    [(s) => s.send('no json'), 'server_unreachable'],
    [(s) => s.send('{"type":"unknown"}'), 'server_unreachable'],
    [(s) => s.send('{"type":"error","code":"guest_unreachable","message":"m","hint":"h"}'), 'guest_unreachable'],
  ];
  let end: (socket: WebSocket) => void = () => undefined;
  await using daemon = await fakeDaemon(
    () => undefined,
    (socket) => {
      socket.once('message', (data: Buffer) => {
        const notFound = '{"type":"error","code":"process_not_found","message":"m","hint":"h"}';
        if ((JSON.parse(data.toString()) as { type: string }).type === 'attach') return socket.send(notFound);
        socket.send(JSON.stringify(started));
        setTimeout(() => end(socket), 20);
      });
    },
  );
  for (const [how, code] of endings) {
    end = how;
    const process = await daemon.engine.exec.start('box1', { argv: ['x'], stdin: true });
    await assert.rejects(process.exit, { code }, how.toString());
    await assert.rejects(process.output[Symbol.asyncIterator]().next(), { code });
    await assert.rejects(process.writeStdin(Buffer.from('x')), { code: 'process_not_found' });
    await process.detach();
  }
});

test('a start that the daemon says nothing of may have run, and is told so', async () => {
  const endings: ((socket: WebSocket) => void)[] = [(s) => s.terminate(), (s) => s.close(1000), (s) => s.close(1001)];
  let end: (socket: WebSocket) => void = () => undefined;
  await using daemon = await fakeDaemon(
    () => undefined,
    (socket) => void socket.once('message', () => end(socket)),
  );
  for (const how of endings) {
    end = how;
    const start = daemon.engine.exec.start('box1', { argv: ['x'] });
    await assert.rejects(start, { code: 'command_outcome_unknown' }, how.toString());
    const attach = daemon.engine.exec.attach('box1', 7, { stdout: 0, stderr: 0 });
    await assert.rejects(attach, (error) => isNovaError(error, 'server_unreachable', 'shutting_down'));
  }
});

test('a process whose daemon restarts is attached to again where it was, and nothing is said or read twice', async () => {
  const said: unknown[] = [];
  let connections = 0;
  await using daemon = await fakeDaemon(
    (_request, response) => json(response, 503, {}),
    (socket) => {
      connections += 1;
      const offset = (connections - 1) * 3;
      socket.on('message', (data: Buffer, isBinary) => {
        said.push(isBinary ? data.toString() : JSON.parse(data.toString()));
        if (isBinary) return socket.close(1012, 'shutting_down');
        if ((said.at(-1) as { type: string }).type === 'close_stdin') {
          socket.send(JSON.stringify(exit));
          return socket.close(1000);
        }
        socket.send(JSON.stringify({ ...started, stdout_offset: offset }));
        socket.send(Buffer.from(`\x01${'abcdefghi'.slice(offset, offset + 3)}`));
        // Input after the end is not sent.
        if (connections === 2) socket.close(1012, 'shutting_down');
      });
    },
  );
  const process = await daemon.engine.exec.start('box1', { argv: ['x'], stdin: true });
  await process.writeStdin(Buffer.from('one'));
  let text = '';
  for await (const { bytes } of process.output) {
    text += Buffer.from(bytes).toString();
    if (text.length === 9) await process.closeStdin();
  }
  assert.equal(text, 'abcdefghi');
  assert.equal((await process.exit).exitCode, 3);
  const attach = (stdout_offset: number) => ({
    type: 'attach',
    process_id: started.process_id,
    stdout_offset,
    stderr_offset: 0,
    stdin: true,
  });
  assert.deepEqual(said.slice(1), ['one', attach(3), attach(6), { type: 'close_stdin' }]);
});

test('output that is gone when the daemon is back is no output', async () => {
  let connections = 0;
  await using daemon = await fakeDaemon(
    () => undefined,
    (socket) => {
      connections += 1;
      socket.once('message', () => {
        socket.send(JSON.stringify({ ...started, stdout_offset: connections === 1 ? 0 : 7 }));
        if (connections === 1) socket.close(1012);
      });
    },
  );
  const process = await daemon.engine.exec.start('box1', { argv: ['x'] });
  await assert.rejects(process.exit, { code: 'server_unreachable', message: /7 bytes/ });
});

test('what the contract cannot carry is refused with a typed error', async () => {
  await using daemon = await fakeDaemon(() => undefined);
  const { sandboxes, files, exec } = daemon.engine;
  const refused = { code: 'feature_unsupported' };
  await assert.rejects(sandboxes.create({ kernelArgs: 'quiet' }), refused);
  await assert.rejects(sandboxes.create({ extraDrives: [{ path: '/a', mountPath: '/b' }] }), refused);
  await assert.rejects(files.list('box1', '/', { xattrs: true }), refused);
  await assert.rejects(exec.start('box1', { argv: ['x'], mergeStderr: true }), refused);
  await assert.rejects(daemon.engine.hypervisors({ fresh: true }), refused);
  assert.throws(() => createRemoteEngine({ url: 'ftp://x' }), { code: 'invalid_argument' });
  assert.deepEqual(daemon.requests, []);
});
