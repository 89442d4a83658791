import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { watchHealth } from '../support/health-watch.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

/** Far above what is bearable, which the diagnostics show: a busy machine must not fail the test. */
const hangMs = 1000;
const loadMs = 1500;
let server: ServerUnderTest;

before(async () => {
  server = await serverUnderTest();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Sends the bytes over so many connections again and again, each as often as it is closed, and throws away what comes back. */
async function load(bytes: Buffer, { clients, repeat = 1 }: { readonly clients: number; readonly repeat?: number }) {
  const { port } = new URL(server.url);
  const end = performance.now() + loadMs;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const socket: Socket = connect(Number(port), '127.0.0.1');
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('error', () => undefined);
      socket.resume();
      const timer = setTimeout(() => socket.destroy(), Math.max(1, end - performance.now()));
      for (let count = 0; count < repeat; count++) socket.write(bytes);
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
const jwt = [
  'eyJhbGciOiJIUzI1NiJ9',
  Buffer.from('{"iss":"novasandbox"}'.padEnd(2900)).toString('base64url'),
  'x'.repeat(43),
];

const loads: Readonly<Record<string, () => Promise<void>>> = {
  'brackets, eight million deep': () => load(login('['.repeat(8_000_000)), { clients: 2 }),
  'whole brackets, eight million': () =>
    load(login(`${'['.repeat(4_000_000)}${']'.repeat(4_000_000)}`), { clients: 2 }),
  'a million keys': () => load(login(`{${keys(1_000_000)}}`), { clients: 2 }),
  'as many keys as fit': () => load(login(`{${keys(300)}}`), { clients: 16 }),
  'wrong passwords': () => load(login('{"username":"ann","password":"wrong"}'), { clients: 64 }),
  'requests in one stream without an end': () =>
    load(Buffer.concat(Array<Buffer>(2000).fill(get('/health'))), { clients: 4, repeat: 10 }),
  'refused requests in one stream without an end': () =>
    load(Buffer.concat(Array<Buffer>(2000).fill(get('/api/v1/vms'))), { clients: 4, repeat: 10 }),
  'long addresses': () =>
    load(Buffer.concat(Array<Buffer>(8).fill(get(`/health?${'a=b&'.repeat(3500)}`))), { clients: 8 }),
  'addresses that do not decode': () =>
    load(Buffer.concat(Array<Buffer>(8).fill(get(`/api/v1/vms/${'%e2%28'.repeat(2300)}`))), { clients: 8 }),
  'many headers': () =>
    load(
      Buffer.concat(
        Array<Buffer>(8).fill(
          get('/health', ...Array.from({ length: 96 }, (_, index) => `X-${index}: ${'y'.repeat(120)}`)),
        ),
      ),
      { clients: 8 },
    ),
  'long tokens': () =>
    load(Buffer.concat(Array<Buffer>(8).fill(get('/api/v1/vms', `Authorization: Bearer ${jwt.join('.')}`))), {
      clients: 8,
    }),
  'signed addresses of nobody': () =>
    load(Buffer.concat(Array<Buffer>(8).fill(get(`/files?signature=v1_x&path=${'a'.repeat(8000)}`))), { clients: 8 }),
  'upgrades without credentials': () =>
    load(
      get(
        '/api/v1/system/events',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ),
      { clients: 32 },
    ),
  'connections that say nothing': () => load(Buffer.alloc(0), { clients: 1000 }),
  'ports of sandboxes that are not there': () =>
    load(Buffer.concat(Array<Buffer>(8).fill(Buffer.from('GET / HTTP/1.1\r\nHost: 3000-abcd1234.localhost\r\n\r\n'))), {
      clients: 16,
    }),
};

for (const [name, loaded] of Object.entries(loads)) {
  test(`/health answers while a stranger sends ${name}`, { timeout: 60_000 }, async (t) => {
    const health = await watchHealth(server.url);
    await loaded();
    const { asked, medianMs, slowestMs } = await health.end();
    t.diagnostic(`${name}: ${asked} asked, median ${medianMs.toFixed(1)} ms, slowest ${slowestMs.toFixed(1)} ms`);
    assert.ok(slowestMs < hangMs, `the slowest answer took ${slowestMs} ms`);
  });
}
