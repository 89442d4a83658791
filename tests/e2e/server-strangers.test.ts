import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { watchHealth } from '../support/health-watch.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

/**
 * The most work of the daemon that an answer may have to wait for, ms: far above a tolerable delay. The diagnostics
 * show the real one. It is time on a processor, so that a busy machine does not fail the test.
 */
const hangMs = 500;
const loadMs = 1500;
/** For a guest whose processor is emulated on a busy machine. */
const patienceMs = 60_000;
let server: ServerUnderTest;

before(async () => {
  server = await serverUnderTest();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

interface Load {
  readonly clients: number;
  /** How often the bytes are sent at once; they are sent again with each answer. */
  readonly burst?: number;
}

/** Sends the bytes repeatedly over this many connections. A connection that closes is opened again. */
async function load(bytes: Buffer, { clients, burst = 1 }: Load): Promise<void> {
  const { port } = new URL(server.url);
  const end = performance.now() + loadMs;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const socket: Socket = connect(Number(port), '127.0.0.1');
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('error', () => undefined);
      const timer = setTimeout(() => socket.destroy(), Math.max(1, end - performance.now()));
      for (let count = 0; count < burst; count++) socket.write(bytes);
      socket.on('data', () => socket.write(bytes));
      await closed;
      clearTimeout(timer);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
}

const request = (line: string, headers: readonly string[], body = ''): Buffer =>
  Buffer.from([line, 'Host: localhost', ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n'));
const login = (body: string): Buffer =>
  request('POST /api/v1/security/auth/login HTTP/1.1', ['Content-Type: application/json'], body);
const get = (path: string, ...headers: string[]): Buffer => request(`GET ${path} HTTP/1.1`, headers);
const keys = (count: number): string => Array.from({ length: count }, (_, index) => `"k${index}":0`).join(',');
const headers = Array.from({ length: 90 }, (_, index) => `X-${index}: ${'y'.repeat(120)}`);
const jwt = [
  'eyJhbGciOiJIUzI1NiJ9',
  Buffer.from('{"iss":"novasandbox"}'.padEnd(2900)).toString('base64url'),
  'x'.repeat(43),
];

const upgrade = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${'A'.repeat(22)}==`,
];
const stream = (one: Buffer): Buffer => Buffer.concat(Array<Buffer>(2000).fill(one));

const loads: Readonly<Record<string, () => Promise<void>>> = {
  nothing: () => delay(loadMs),
  'eight million brackets': () => load(login('['.repeat(8_000_000)), { clients: 2 }),
  'eight million brackets that close': () =>
    load(login(`${'['.repeat(4_000_000)}${']'.repeat(4_000_000)}`), { clients: 2 }),
  'a million keys': () => load(login(`{${keys(1_000_000)}}`), { clients: 2 }),
  'as many keys as a login may have': () => load(login(`{${keys(300)}}`), { clients: 16 }),
  'wrong passwords': () => load(login('{"username":"ann","password":"wrong"}'), { clients: 64 }),
  'requests in a row without waiting': () => load(stream(get('/health')), { clients: 4, burst: 10 }),
  'refused requests in a row without waiting': () => load(stream(get('/api/v1/vms')), { clients: 4, burst: 10 }),
  'requests one at a time on many connections': () => load(get('/health'), { clients: 200 }),
  'long addresses': () => load(get(`/health?${'a=b&'.repeat(3500)}`), { clients: 16 }),
  'addresses that do not decode': () => load(get(`/api/v1/vms/${'%e2%28'.repeat(2300)}`), { clients: 16 }),
  'many headers': () => load(get('/health', ...headers), { clients: 16 }),
  'long tokens': () => load(get('/api/v1/vms', `Authorization: Bearer ${jwt.join('.')}`), { clients: 16 }),
  'signed addresses of nobody': () => load(get(`/files?signature=v1_x&path=${'a'.repeat(8000)}`), { clients: 16 }),
  'upgrades without credentials': () => load(get('/api/v1/system/events', ...upgrade), { clients: 32 }),
  'connections that say nothing': () => load(Buffer.alloc(0), { clients: 250 }),
  'more connections than one address may have': () => load(Buffer.alloc(0), { clients: 300 }),
  'requests for sandboxes that are not there': () =>
    load(Buffer.from('GET / HTTP/1.1\r\nHost: 3000-abcd1234.localhost\r\n\r\n'), { clients: 16 }),
};

for (const [name, loaded] of Object.entries(loads)) {
  test(`/health answers while a stranger sends ${name}`, { timeout: 60_000 }, async (t) => {
    const health = await watchHealth(server.url, server.child.pid ?? 0);
    await loaded();
    const { asked, median, slowest } = await health.end();
    const said = ({ ms, workedMs }: typeof median): string => `${ms.toFixed(1)} ms (${workedMs.toFixed(1)} of work)`;
    t.diagnostic(`${name}: ${asked} asked, median ${said(median)}, slowest ${said(slowest)}`);
    assert.ok(slowest.workedMs < hangMs, `an answer waited for ${slowest.workedMs} ms of work`);
  });
}

/** Takes every connection and sends nothing. */
const silent = `import socket
s = socket.create_server(('127.0.0.1', 3000), backlog=1024)
held = []
while True: held.append(s.accept())`;

test('a thousand idle visitors of a public port leave the sandbox to its owner', { timeout: 240_000 }, async () => {
  const { sandboxID: id } = await server.ok('POST', '//sandboxes', { templateID: 'base' });
  await server.ok('POST', `/vms/${id}/processes`, { command: ['python3', '-c', silent] });
  const listens = { command: 'grep -q :0BB8 /proc/net/tcp' };
  const listening = async (): Promise<boolean> =>
    (await server.ok('POST', `/vms/${id}/execute`, listens)).exit_code === 0;
  await eventually('the guest listens', listening, patienceMs);
  const lines = [`Host: 3000-${id}.localhost`, 'Connection: Upgrade', 'Upgrade: websocket'];
  let refused = 0;
  const visitors = Array.from({ length: 1030 }, (_, index) => {
    const localAddress = `127.0.0.${10 + (index % 11)}`;
    const socket = connect({ port: Number(new URL(server.url).port), host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    socket.once('data', (answer: Buffer) => (refused += answer.toString().startsWith('HTTP/1.1 429 ') ? 1 : 0));
    socket.write(['GET / HTTP/1.1', ...lines, '', ''].join('\r\n'));
    return socket;
  });
  try {
    await eventually('all but 384 are turned away', () => refused === 1030 - 384, patienceMs);
    const { stdout } = await server.ok('POST', `/vms/${id}/execute`, { command: 'echo mine' });
    assert.equal(stdout, 'mine\n');
    // Its owner still reaches its ports through a tunnel.
    const tunnel = server.socket(`/vms/${id}/tunnel/3000`);
    const [text] = (await once(tunnel, 'message')) as [Buffer];
    assert.deepEqual(JSON.parse(text.toString()), { type: 'open' });
    tunnel.terminate();
  } finally {
    for (const visitor of visitors) visitor.destroy();
  }
  assert.equal((await server.call('DELETE', `/vms/${id}`)).status, 204);
});
