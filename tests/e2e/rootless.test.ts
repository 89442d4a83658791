import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Decision } from '@novasandbox/protocol';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { makeInternet, type Internet } from '../support/internet.ts';
import { runOnHost } from '../support/run-on-host.ts';
import { becomeUser, mayMakeNamespaces, whyNoUser, type UnprivilegedUser } from '../support/unprivileged-user.ts';
import type { Policy } from '../support/user-program.ts';

/** Network policies for a user who is not root: the slot is in a user namespace of theirs. */
const skip = whyNoUser() || (mayMakeNamespaces() ? false : 'this host forbids user namespaces');
let internet: Internet;
let user: UnprivilegedUser;
let policy: Policy;
let box: string;
let hostPort: number;

before(async () => {
  if (skip !== false) return;
  internet = await makeInternet('rootless');
  user = await becomeUser();
  hostPort = await freePort();
  policy = {
    rules: [
      { action: 'allow', cidr: `${internet.address}/32`, ports: [80] },
      { action: 'allow', host: 'allowed.example' },
    ],
  };
  box = await user.ask({ kind: 'create', config: { policy, hostPort, guestPort: 8000 } });
});
after(async () => {
  if (skip !== false) return;
  await user[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
});

const run = (script: string, ref = box): Promise<string> => user.ask({ kind: 'run', ref, script });
const fetchFrom = (url: string): string => `curl -sS --noproxy '*' --max-time 8 ${url}`;
const helloTo = (ref?: string): Promise<string> => run(fetchFrom(`http://${internet.address}/`), ref);
const hello = (): string => `hello ${internet.hostAddress}\n`;
const addressOf = (name: string, ref?: string): Promise<string> => run(`getent ahostsv4 ${name}`, ref);
const pids = (ref = box): Promise<{ readonly vmm: number[]; readonly egress: number[] }> =>
  user.ask({ kind: 'pids', ref });

test(
  'without root a guest reaches what its policy allows, and is told why it does not reach the rest',
  { skip },
  async () => {
    assert.equal(await helloTo(), hello());
    assert.match(await addressOf('allowed.example'), /^198\.19\./);
    assert.match(await addressOf('denied.example'), /^failed/);
    assert.match(await run(fetchFrom('-w "%{http_code}" http://192.0.2.1/')), /"code":"not_allowed".*403$/s);
    for (const host of ['10.0.0.1', '169.254.169.254', '127.0.0.1', internet.hostAddress, '172.16.255.1'])
      assert.doesNotMatch(
        await run(`${fetchFrom(`-o /dev/null -w "%{http_code}" http://${host}/`)} || echo none`),
        /200/,
      );
    const udp = `python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(('${internet.address}', 443)); s.send(b'x'); s.recv(1)"`;
    assert.match(await run(udp), /No route to host|refused/);
    const decisions = await user.ask<Decision[]>({ kind: 'decisions', ref: box });
    const denied = decisions.find(({ host }) => host === 'denied.example');
    assert.equal(denied?.code, 'not_allowed');
    assert.match(denied?.remedy ?? '', /denied\.example/);
  },
);

test('the VMM has a network without any link to the host, and no privileges over it', { skip }, async () => {
  const { vmm, egress } = await pids();
  assert.equal(vmm.length, 1);
  assert.equal(egress.length, 1);
  const status = readFileSync(`/proc/${vmm[0]}/status`, 'utf8');
  for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb'])
    assert.match(status, new RegExp(`${set}:\\s+0+\\n`));
  assert.match(status, /NoNewPrivs:\s+1/);
  assert.notEqual(readlinkSync(`/proc/${vmm[0]}/ns/user`), readlinkSync('/proc/self/ns/user'));
  const links = runOnHost(`nsenter --target ${vmm[0]} --net ip -o link show`);
  assert.deepEqual(
    links.match(/^\d+: [a-z0-9]+/gm)?.map((each) => each.split(' ')[1]),
    ['lo', 'tap0'],
  );
});

test('a port of the host leads to the guest, and a port that is taken is refused', { skip }, async () => {
  await run(
    'echo over a forward > /tmp/page; cd /tmp; setsid python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &',
  );
  await eventually('the forwarded port answers', async () => {
    try {
      return (await (await fetch(`http://127.0.0.1:${hostPort}/page`)).text()) === 'over a forward\n';
    } catch {
      // The guest's server does not listen yet.
      return false;
    }
  });
  await assert.rejects(user.ask({ kind: 'create', config: { policy, hostPort, guestPort: 80 } }), {
    code: 'port_in_use',
  });
});

test('a policy is changed while the guest runs, also from and to all', { skip }, async () => {
  await user.ask({ kind: 'policy', ref: box, policy: 'none' });
  assert.match(await helloTo(), /not_allowed/);
  assert.match(await addressOf('allowed.example'), /^failed/);
  await user.ask({ kind: 'policy', ref: box, policy: 'all' });
  assert.equal(await helloTo(), hello());
  assert.match(await run(fetchFrom('http://169.254.169.254/')), /internal_address/);
  await user.ask({ kind: 'policy', ref: box, policy });
  assert.equal(await helloTo(), hello());
});

test('the policy holds in forks and after hibernation, with the names that a guest knows', { skip }, async () => {
  const known = await addressOf('allowed.example');
  const child = await user.ask<string>({ kind: 'fork', ref: box });
  assert.equal(await helloTo(child), hello());
  assert.match(await addressOf('denied.example', child), /^failed/);
  assert.equal(await addressOf('allowed.example', child), known);
  await user.ask({ kind: 'remove', ref: child });
  await user.ask({ kind: 'sleep and wake', ref: box });
  assert.equal(await helloTo(), hello());
  assert.equal(await addressOf('allowed.example'), known);
});

test(
  'without the egress process nothing is reachable, and whoever opens the engine restores it',
  { skip },
  async () => {
    const { egress } = await pids();
    process.kill(egress[0] ?? 0, 'SIGKILL');
    await eventually('it has gone', () => !existsSync(`/proc/${egress[0]}`));
    assert.match(await helloTo(), /^failed/);
    assert.equal(await user.ask({ kind: 'look' }), 1);
    assert.equal(await helloTo(), hello());
  },
);

test('a sandbox without a policy keeps the network of its VMM, and cannot be given a policy', { skip }, async () => {
  const free = await user.ask<string>({ kind: 'create', config: {} });
  assert.equal(await helloTo(free), hello());
  const set = user.ask({ kind: 'policy', ref: free, policy: 'none' });
  await assert.rejects(set, { code: 'feature_unsupported', message: /network slot/ });
  await user.ask({ kind: 'remove', ref: free });
  await user.ask({ kind: 'network', name: 'backend' });
  for (const each of [{}, { policy: 'none' }])
    await assert.rejects(user.ask({ kind: 'create', config: { ...each, networks: ['backend'] } }), {
      code: 'feature_unsupported',
      message: /networks: only a sandbox with a network slot of root/,
    });
});

test('where namespaces are forbidden a policy is refused with the reason, and nothing is open', { skip }, async () => {
  await using other = await becomeUser({ namespaces: false });
  await assert.rejects(other.ask({ kind: 'create', config: { policy } }), {
    code: 'feature_unsupported',
    message: /policy: .*user namespaces|unshare/s,
  });
  const free = await other.ask<string>({ kind: 'create', config: {} });
  await other.ask({ kind: 'remove', ref: free });
});

test('kill -9 of the engine leaves its sandbox as it was, and a removed one leaves nothing', { skip }, async () => {
  const exchanges = `import socket, time
s = socket.create_connection(('${internet.address}', 80))
while True:
    s.send(b'GET / HTTP/1.1\\r\\nHost: ${internet.address}\\r\\n\\r\\n')
    if not s.recv(4096): break
    open('/tmp/exchanges', 'a').write('x')
    time.sleep(0.05)`;
  await run(`setsid python3 -c "${exchanges}" >/dev/null 2>&1 </dev/null &`);
  const count = async (): Promise<number> => (await run('cat /tmp/exchanges 2>/dev/null || :')).length;
  await eventually('they are under way', async () => (await count()) > 0);
  await user.killAndRestart();
  const before = await count();
  await eventually('the same connection goes on', async () => (await count()) > before + 3);
  assert.equal(await helloTo(), hello());
  const { vmm } = await pids();
  const namespace = readlinkSync(`/proc/${vmm[0]}/ns/net`);
  await user.ask({ kind: 'remove', ref: box });
  await eventually(
    'nobody is in its namespace',
    () => !runOnHost('lsns -t net -n -o NS').includes(/\d+/.exec(namespace)?.[0] ?? namespace),
  );
  await user.ask({ kind: 'close' });
});
