import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { createLauncher, layoutAt, openNetwork } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from './engine.ts';
import { makeInternet } from './internet.ts';
import { runOnHost } from './run-on-host.ts';

/**
 * The program that tests/e2e/network-host.test.ts runs as a host of its own: its network namespace, its /run and its
 * resolv.conf (the argument) are shared with nobody.
 */
const [, , resolvConf = ''] = process.argv;
const forwarding = (name: string): string => readFileSync(`/proc/sys/net/ipv4/conf/${name}/forwarding`, 'utf8').trim();
const passed = (what: string): void => void process.stdout.write(`passed: ${what}\n`);

runOnHost('ip link set lo up');
await using internet = await makeInternet();
const link = `it${process.pid}`;
const world = `internet${process.pid}`;
runOnHost(`set -e
  ip route add default via ${internet.address}
  ip netns add lan
  ip link add lan0 type veth peer name lan1 netns lan
  ip addr add 10.77.0.1/24 dev lan0
  ip link set lan0 up
  ip -n lan link set lo up
  ip -n lan addr add 10.77.0.2/24 dev lan1
  ip -n lan link set lan1 up
  ip -n lan route add default via 10.77.0.1
  ip -n ${world} route add 10.77.0.0/24 via ${internet.hostAddress}`);
writeFileSync(resolvConf, `nameserver ${internet.address}\n`);
assert.deepEqual(['all', link, 'lan0'].map(forwarding), ['0', '0', '0']);
const hostServer = createServer((_request, response) => response.end('the host\n'));
await once(hostServer.listen(0, '0.0.0.0'), 'listening');
const hostPort = (hostServer.address() as { port: number }).port;
const get = (url: string): string => `curl -sS --noproxy '*' --max-time 5 ${url}`;
const hello = `hello ${internet.hostAddress}\n`;
const forwarded = 23_903;

{
  await using under = await engineUnderTest();
  const { engine } = under;
  await using network = openNetwork(under.layout, createLauncher());
  await using box = await sandbox(engine, { hostPort: forwarded, guestPort: 8080 });
  assert.equal((await sh(engine, box.id, get('http://anything.example/'))).stdout, hello);
  passed("names are resolved by the host's resolver");

  assert.deepEqual(['all', 'lo', link, 'lan0'].map(forwarding), ['0', '0', '1', '1']);
  const fromWorld = `nsenter --net=/run/netns/${world} ${get('http://10.77.0.2/')}`;
  await using _lan = await serverIn('lan', '10.77.0.2');
  assert.match(runOnHost(get('http://10.77.0.2/')), /^hello/);
  assert.throws(() => runOnHost(fromWorld));
  passed('the host is no router for others');

  const toHost = get(`http://${internet.hostAddress}:${hostPort}/`);
  const allowed = { action: 'allow', cidr: `${internet.address}/32` } as const;
  await engine.sandboxes.setPolicy(box.id, { rules: [allowed] });
  runOnHost('nft flush ruleset');
  for (const other of [toHost, get('http://10.77.0.2/')])
    assert.doesNotMatch((await sh(engine, box.id, other)).stdout, /^(the host|hello)/);
  assert.equal((await sh(engine, box.id, get(`http://${internet.address}/`))).stdout, hello);
  passed('rules that somebody flushed open nothing for a guest with a policy');
  await network.mend();
  await engine.sandboxes.setPolicy(box.id, 'all');

  await engine.exec.startDetached(box.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
  await sh(engine, box.id, `until ${get('http://127.0.0.1:8080/')}; do sleep 0.1; done`);
  runOnHost('nft flush ruleset');
  await network.mend();
  assert.equal((await sh(engine, box.id, `${toHost}; ${get(`http://${internet.address}/`)}`)).stdout, hello);
  assert.match(runOnHost(get(`http://127.0.0.1:${forwarded}/`)), /Directory listing/);
  passed('rules that somebody flushed are mended, forwards too');

  writeFileSync(resolvConf, 'nameserver 127.0.0.1\n');
  await using _dns = await serverIn(null, '198.51.100.99');
  await using second = await sandbox(engine);
  const found = await sh(engine, second.id, 'getent ahostsv4 anything.example | head -n 1');
  assert.match(found.stdout, /^198\.51\.100\.99\s/);
  assert.notEqual((await sh(engine, second.id, get('http://172.16.255.1/'))).exit.exitCode, 0);
  passed("a resolver on the host's loopback interface serves guests, and nothing else there does");
}
assert.deepEqual(['all', link, 'lan0'].map(forwarding), ['0', '0', '0']);
assert.equal(runOnHost('nft list tables'), '');
assert.equal(runOnHost('ip netns list').includes('nova-'), false);
assert.equal(layoutAt().slotRegistryFile, '/run/novasandbox/slots.sqlite');
passed('what was turned on for slots is off after the last');
hostServer.close();
runOnHost('ip link del lan0; ip netns del lan');

/** HTTP and name service in a namespace (null: on this host), which resolves every name to `address`. */
async function serverIn(namespace: string | null, address: string): Promise<AsyncDisposable> {
  const servers = new URL('./internet-servers.ts', import.meta.url).pathname;
  const enter = namespace === null ? [] : ['nsenter', `--net=/run/netns/${namespace}`];
  const [program, ...args] = [...enter, process.execPath, servers, address];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') break;
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
