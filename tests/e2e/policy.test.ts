import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createEngine } from '@novasandbox/engine';
import type { Decision, NetworkPolicyInput } from '@novasandbox/protocol';
import { egressProcesses } from '../support/egress-process.ts';
import { engineUnderTest, sh, type EngineUnderTest } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { makeInternet, type Internet } from '../support/internet.ts';
import { whyNoSlots } from '../support/slots.ts';

/** Network policies of real guests, which go through the egress process. */
const skip = await whyNoSlots();
let internet: Internet;
let under: EngineUnderTest;
let id: string;
let policy: NetworkPolicyInput;

before(async () => {
  if (skip !== false) return;
  internet = await makeInternet('third');
  policy = {
    rules: [
      { action: 'allow', cidr: `${internet.address}/32`, ports: [80] },
      { action: 'allow', host: 'allowed.example' },
    ],
  };
  under = await engineUnderTest();
  ({ id } = await under.engine.sandboxes.create({ policy }));
});
after(async () => {
  if (skip !== false) return;
  await under[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
});

const fetchFrom = (url: string): string => `curl -sS --noproxy '*' --max-time 8 ${url}`;
const run = async (script: string, ref = id): Promise<string> => {
  const { stdout, stderr, exit } = await sh(under.engine, ref, script);
  return exit.exitCode === 0 ? stdout : `failed: ${stdout}${stderr}`;
};
const helloTo = (ref?: string): Promise<string> => run(fetchFrom(`http://${internet.address}/`), ref);
const hello = (): string => `hello ${internet.hostAddress}\n`;
const addressOf = (name: string, ref?: string): Promise<string> => run(`getent ahostsv4 ${name}`, ref);
const decisionsAbout = async (host: string): Promise<Decision[]> =>
  (await Array.fromAsync(await under.engine.sandboxes.decisions(id))).filter((each) => each.host === host);

test('a guest reaches what its policy allows, and is told why it does not reach the rest', { skip }, async () => {
  assert.equal(await helloTo(), hello());
  assert.match(await addressOf('allowed.example'), /^198\.19\./);
  assert.match(await addressOf('denied.example'), /^failed/);
  const denied = await run(`${fetchFrom('-w "%{http_code}" http://192.0.2.1/')}`);
  assert.match(denied, /"code":.*403$/s);
  const [decision] = await decisionsAbout('denied.example');
  assert.equal(decision?.code, 'not_allowed');
  assert.match(decision?.remedy ?? '', /denied\.example/);
});

test('UDP, private networks, the host and metadata are out of reach', { skip }, async () => {
  const targets = [
    '10.0.0.1:80',
    '169.254.169.254:80',
    '172.16.255.1:80',
    '198.18.0.1:80',
    `${internet.hostAddress}:80`,
  ];
  const script = targets.map((each) => `${fetchFrom(`-o /dev/null -w "%{http_code}" http://${each}/`)} || echo none`);
  assert.doesNotMatch(await run(script.join('; ')), /200/);
  // Port 53 of any address is our name service.
  assert.match(
    await run(
      `python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(('${internet.address}', 443)); s.send(b'x'); s.recv(1)"`,
    ),
    /No route to host|refused/,
  );
});

test('a policy is changed while the guest runs, and what it now denies ends', { skip }, async () => {
  const { engine } = under;
  await engine.sandboxes.setPolicy(id, 'none');
  assert.match(await helloTo(), /denied|not_allowed|failed/);
  assert.match(await addressOf('allowed.example'), /^failed/);
  await engine.sandboxes.setPolicy(id, 'all');
  assert.equal(await helloTo(), hello());
  assert.equal((await engine.sandboxes.config(id)).policy, 'all');
  // A connection that is open when the policy comes.
  await engine.exec.startDetached(id, {
    argv: [
      'python3',
      '-c',
      `import socket, time
s = socket.create_connection(('${internet.address}', 80))
open('/tmp/open', 'w').close()
try:
    while True:
        s.send(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
        if not s.recv(4096): break
        time.sleep(0.1)
except OSError: pass
open('/tmp/ended', 'w').close()`,
    ],
    user: 'root',
  });
  await eventually('it is connected', async () => (await run('cat /tmp/open')) === '');
  await engine.sandboxes.setPolicy(id, 'none');
  await eventually('its connection has ended', async () => (await run('cat /tmp/ended')) === '');
  await engine.sandboxes.setPolicy(id, policy);
  assert.equal(await helloTo(), hello());
});

test('a policy holds in forks and after hibernation, with the names that a guest knows', { skip }, async () => {
  const { engine } = under;
  const known = await addressOf('allowed.example');
  const [fork] = await engine.snapshots.fork(id);
  assert.ok(fork?.sandbox);
  const child = fork.sandbox.id;
  assert.equal(await helloTo(child), hello());
  assert.match(await addressOf('denied.example', child), /^failed/);
  assert.equal(await addressOf('allowed.example', child), known);
  await engine.sandboxes.remove(child, { force: true });

  await engine.sandboxes.hibernate(id);
  await engine.sandboxes.resume(id);
  assert.equal(await helloTo(), hello());
  assert.match(await addressOf('denied.example'), /^failed/);
  assert.equal(await addressOf('allowed.example'), known);
});

test(
  'without the egress process nothing is reachable, and whoever opens the engine restores it',
  { skip },
  async () => {
    const { layout, home } = under;
    const [pid] = egressProcesses(layout);
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    assert.match(await helloTo(), /^failed/);
    await using _other = await createEngine({ home: home.home });
    assert.equal(await helloTo(), hello());
  },
);

test('a policy that cannot hold is refused', { skip }, async () => {
  const { engine } = under;
  await assert.rejects(engine.sandboxes.create({ policy: 'company' }), { code: 'not_found' });
  const udp: NetworkPolicyInput = { rules: [{ action: 'allow', host: 'a.example', protocol: 'udp' }] };
  await assert.rejects(engine.sandboxes.setPolicy(id, udp), { code: 'not_implemented' });
  await assert.rejects(engine.sandboxes.create({ hypervisor: 'process', policy: 'none' }), {
    code: 'feature_unsupported',
  });
  assert.equal((await engine.sandboxes.list()).length, 1);
});
