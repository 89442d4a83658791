import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { createLauncher, layoutAt, openNetwork, processesNaming } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { makeInternet, metadataAddress, type Internet } from '../support/internet.ts';
import { runOnHost } from '../support/run-on-host.ts';
import { networkNamespaceOf, slotAddressOf, whyNoSlots } from '../support/slots.ts';

const skip = await whyNoSlots();
let internet: Internet;
let hostServer: Server;
let hostPort: number;

before(async () => {
  if (skip !== false) return;
  internet = await makeInternet();
  hostServer = createServer((_request, response) => response.end('the host\n'));
  await once(hostServer.listen(0, '0.0.0.0'), 'listening');
  hostPort = (hostServer.address() as AddressInfo).port;
});
after(async () => {
  if (skip !== false) return;
  hostServer.close();
  await internet[Symbol.asyncDispose]();
});

const fetchFrom = (url: string): string => `curl -sS --noproxy '*' --max-time 4 ${url}`;
const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a clone reaches the world, as the host; so does the sandbox started again', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const box = await engine.sandboxes.create({});
  assert.equal(box.metadata.bootKind, 'snapshot');
  const hello = fetchFrom(`http://${internet.address}/`);
  assert.equal((await sh(engine, box.id, hello)).stdout, `hello ${internet.hostAddress}\n`);
  const facts = 'ip -4 -o addr show eth0; ip route; cat /etc/resolv.conf; cat /sys/class/net/eth0/address';
  const before = (await sh(engine, box.id, facts)).stdout;
  assert.match(before, /172\.16\.255\.2[\s\S]*default via 172\.16\.255\.1[\s\S]*nameserver 172\.16\.255\.1/);
  await engine.sandboxes.stop(box.id);
  assert.equal(slotAddressOf(under.layout, box.id), null);
  await engine.sandboxes.start(box.id);
  assert.equal((await sh(engine, box.id, facts)).stdout, before);
  assert.equal((await sh(engine, box.id, hello)).stdout, `hello ${internet.hostAddress}\n`);
});

test('a guest reaches neither the host, nor another sandbox, nor metadata, by any address', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const port = await freePort();
  await using other = await sandbox(engine, { hostPort: port, guestPort: 8080 });
  await using box = await sandbox(engine);
  await engine.exec.startDetached(other.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
  await sh(engine, other.id, `until ${fetchFrom('http://127.0.0.1:8080/')}; do sleep 0.1; done`);

  // All of these answer the host.
  assert.match(await textOf(`http://127.0.0.1:${port}/`), /Directory listing/);
  assert.equal(await textOf(`http://127.0.0.1:${hostPort}/`), 'the host\n');
  assert.match(await textOf(`http://${metadataAddress}/`), /^hello/);
  const hostAddresses = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
  assert.ok(hostAddresses.includes(internet.hostAddress));
  for (const address of hostAddresses) assert.equal(await textOf(`http://${address}:${hostPort}/`), 'the host\n');

  const [otherAddress, ownAddress] = [slotAddressOf(layout, other.id), slotAddressOf(layout, box.id)];
  const refused = [
    ...hostAddresses.flatMap((address) => [`${address}:${hostPort}`, `${address}:${port}`]),
    `127.0.0.1:${hostPort}`,
    // The host's end of the slot, and the gateway.
    `198.18.0.1:${hostPort}`,
    `198.18.0.1:${port}`,
    `172.16.255.1:${hostPort}`,
    `172.16.255.1:${port}`,
    `${otherAddress}:8080`,
    `${ownAddress}:8080`,
    `${metadataAddress}:80`,
  ];
  const script = refused
    .map((target) => `(${fetchFrom(`http://${target}/`)} >/dev/null 2>&1 && echo ${target}) &`)
    .join('\n');
  const { stdout } = await sh(engine, box.id, `${script}\nwait\n${fetchFrom(`http://${internet.address}/`)}`);
  assert.equal(stdout, `hello ${internet.hostAddress}\n`);

  // The guest cannot send from an address that is not its own, or around the rules of its namespace by IPv6.
  const spoofed = await sh(
    engine,
    box.id,
    `ip addr add 198.51.100.77/32 dev eth0; ${fetchFrom(`--interface 198.51.100.77 http://${internet.address}/`)}`,
  );
  assert.notEqual(spoofed.exit.exitCode, 0);
  // A user of the host reaches a guest only by its forwarded port.
  await assert.rejects(fetch(`http://${otherAddress}:8080/`, { signal: AbortSignal.timeout(4000) }));
});

test('a forwarded port leads in from 127.0.0.1, and a taken one is refused', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const port = await freePort();
  await using box = await sandbox(engine, { hostPort: port, guestPort: 8080 });
  await engine.exec.startDetached(box.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
  await sh(engine, box.id, `until ${fetchFrom('http://127.0.0.1:8080/')}; do sleep 0.1; done`);
  assert.match(await textOf(`http://127.0.0.1:${port}/`), /Directory listing/);
  // The port is not open on the host's other addresses.
  await assert.rejects(textOf(`http://${internet.hostAddress}:${port}/`));
  await assert.rejects(engine.sandboxes.create({ hostPort: port }), { code: 'port_in_use' });
  await assert.rejects(engine.sandboxes.create({ hostPort }), { code: 'port_in_use' });
  assert.equal((await engine.sandboxes.list()).length, 1);
});

test('connections end with the sandbox, and the host remembers none of them', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const port = await freePort();
  const box = await engine.sandboxes.create({ hostPort: port, guestPort: 8080 });
  await engine.exec.startDetached(box.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
  await sh(engine, box.id, `until ${fetchFrom('http://127.0.0.1:8080/')}; do sleep 0.1; done`);
  await sh(engine, box.id, fetchFrom(`http://${internet.address}/`));
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  const address = slotAddressOf(layout, box.id);
  const remembered = (): number[] =>
    ['--orig-src', '--reply-src'].map(
      (direction) =>
        runOnHost(`conntrack -L ${direction} ${address} 2>/dev/null`).trim().split('\n').filter(Boolean).length,
    );
  const [begun = 0, came = 0] = remembered();
  assert.ok(begun > 0 && came > 0);
  await engine.sandboxes.remove(box.id, { force: true });
  assert.deepEqual(remembered(), [0, 0]);
  // Nobody is there any more.
  const { promise: over, resolve } = Promise.withResolvers<Error>();
  client.once('error', resolve);
  client.write('GET / HTTP/1.0\r\n\r\n');
  assert.match((await over).message, /ECONNRESET|EPIPE|EHOSTUNREACH|ENETUNREACH/);
});

test('ten at once have a network each', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const boxes = await Promise.all(Array.from({ length: 10 }, () => engine.sandboxes.create({ memoryMb: 256 })));
  assert.equal(new Set(boxes.map(({ id }) => slotAddressOf(layout, id))).size, 10);
  const url = fetchFrom(`--retry 3 --max-time 30 http://${internet.address}/`);
  const answers = await Promise.all(boxes.map(async ({ id }) => (await sh(engine, id, url)).stdout));
  assert.deepEqual(new Set(answers), new Set([`hello ${internet.hostAddress}\n`]));
});

test('the VMM lives in its slot, without privileges', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine);
  const vmm = processesNaming(layout.sockets(box.id))[0];
  assert.ok(vmm !== undefined);
  assert.notEqual(networkNamespaceOf(vmm.pid), networkNamespaceOf(process.pid));
});

test('a VMM that was killed, and whoever made it, leave no slot once an engine starts', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const box = await engine.sandboxes.create({});
  assert.ok(slotAddressOf(layout, box.id) !== null);
  for (const { pid } of processesNaming(layout.sockets(box.id))) process.kill(pid, 'SIGKILL');
  // As another process would do, of any state folder.
  await using network = openNetwork(layoutAt(), createLauncher());
  while (slotAddressOf(layout, box.id) !== null) await network.reclaim();
  assert.equal((await engine.sandboxes.get(box.id)).state, 'stopped');
});
