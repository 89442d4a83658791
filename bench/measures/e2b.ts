import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@novasandbox/engine';
import type { Sandbox } from 'e2b';
import { benchDaemon, type BenchDaemon } from '../daemon.ts';
import type { Measure } from '../measure.ts';
import { exec } from '../sandboxes.ts';
import { repeat, summarise, type Summary } from '../statistics.ts';

const port = 3000;
const chunk = 1 << 20;

/**
 * Overhead of the E2B API over the engine, as E2B's unmodified client sees it, and of the proxy compared with a tunnel.
 */
export const e2b: Measure = {
  id: 'e2b',
  title: 'E2B API',
  async run({ quick, report, progress, signal }) {
    // The package is a development dependency and is missing where NovaSandbox is only used.
    const client = await import('e2b').catch(() => null);
    if (client === null) return progress('the package e2b is not installed');
    await using daemon = await benchDaemon();
    const { url, apiKey, engine } = daemon;
    const box = await client.Sandbox.create({ apiKey, apiUrl: url, sandboxUrl: url, timeoutMs: 600_000 });

    const rounds = quick ? 10 : 50;
    const login = ['/bin/bash', '-l', '-c', 'true'];
    const [own, through] = await turns(
      signal,
      rounds,
      () => exec(engine, box.sandboxId, login),
      () => box.commands.run('true'),
    );
    report({ name: 'bash -l -c true, engine', unit: 'ms', value: own.p50, summary: own });
    report({ name: 'commands.run("true") of e2b', unit: 'ms', value: through.p50, summary: through });
    const [bare, wire] = await turns(
      signal,
      rounds * 2,
      () => exec(engine, box.sandboxId, ['/bin/true']),
      () => startOverWire(daemon, box, '/bin/true'),
    );
    report({ name: '/bin/true, engine', unit: 'ms', value: bare.p50, summary: bare });
    report({ name: '/bin/true, Start of the agent API', unit: 'ms', value: wire.p50, summary: wire });
    report({ name: 'what the agent API adds to a command', unit: 'ms', value: wire.p50 - bare.p50, budget: 6 });

    await throughput(daemon, box, quick ? 16 : 64, quick ? 2 : 5, report, signal);
  },
};

/** Alternates between the two, so that other load on the machine affects both equally. */
async function turns(
  signal: AbortSignal,
  rounds: number,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<[Summary, Summary]> {
  const times: [number[], number[]] = [[], []];
  await repeat(3, first);
  await repeat(3, second);
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    times[0].push(...(await repeat(1, first)));
    times[1].push(...(await repeat(1, second)));
  }
  return [summarise(times[0]), summarise(times[1])];
}

async function startOverWire({ url }: BenchDaemon, box: Sandbox, cmd: string): Promise<void> {
  const message = Buffer.from(JSON.stringify({ process: { cmd }, stdin: false }));
  const envelope = Buffer.alloc(5 + message.length);
  envelope.writeUInt32BE(message.length, 1);
  message.copy(envelope, 5);
  const response = await fetch(`${url}/process.Process/Start`, {
    method: 'POST',
    body: envelope,
    headers: {
      'content-type': 'application/connect+json',
      'connect-protocol-version': '1',
      'e2b-sandbox-id': box.sandboxId,
      'x-access-token': (box as unknown as { envdAccessToken: string }).envdAccessToken,
    },
  });
  const text = await response.text();
  if (!text.includes('exit status 0')) throw new Error(`${cmd} ended otherwise: ${text}`);
}

const program = `
import socket
listener = socket.create_server(('127.0.0.1', ${port}))
block = bytes(${chunk})
while True:
    connection, _ = listener.accept()
    head = connection.recv(65536)
    megabytes = int(head.split(b'/', 1)[1].split(b' ', 1)[0])
    connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n' % (megabytes * len(block)))
    for _ in range(megabytes): connection.sendall(block)
    connection.close()
`;

async function throughput(
  { url, engine }: BenchDaemon,
  box: Sandbox,
  megabytes: number,
  rounds: number,
  report: Parameters<Measure['run']>[0]['report'],
  signal: AbortSignal,
): Promise<void> {
  await box.files.write('/tmp/serve.py', program);
  await box.commands.run('python3 /tmp/serve.py', { background: true, timeoutMs: 0 });
  const headers = { 'e2b-sandbox-id': box.sandboxId, 'e2b-sandbox-port': String(port) };
  while ((await fetch(`${url}/0`, { headers }).then(async (r) => (await r.arrayBuffer(), r.status))) !== 200)
    await delay(100);
  const [tunnel, proxy] = await turns(
    signal,
    rounds,
    () => tunnelled(engine, box.sandboxId, megabytes),
    async () => {
      const response = await fetch(`${url}/${megabytes}`, { headers });
      let bytes = 0;
      for await (const part of response.body ?? []) bytes += part.byteLength;
      if (bytes !== megabytes * chunk) throw new Error(`${bytes} bytes came`);
    },
  );
  const rate = ({ p50 }: Summary): number => (megabytes * chunk) / p50 / 1000;
  report({ name: `tunnel to a port, ${megabytes} MiB`, unit: 'MB/s', value: rate(tunnel) });
  report({ name: `proxy to a port, ${megabytes} MiB`, unit: 'MB/s', value: rate(proxy) });
  report({
    name: 'proxy, part of the tunnel',
    unit: '%',
    value: (rate(proxy) / rate(tunnel)) * 100,
    budget: 80,
    higherIsBetter: true,
  });
}

async function tunnelled(engine: Engine, id: string, megabytes: number): Promise<void> {
  const connection: Duplex = await engine.files.tunnel(id, port);
  connection.write(`GET /${megabytes} HTTP/1.1\r\n\r\n`);
  let bytes = 0;
  for await (const part of connection as AsyncIterable<Buffer>) bytes += part.byteLength;
  if (bytes < megabytes * chunk) throw new Error(`${bytes} bytes came`);
}
