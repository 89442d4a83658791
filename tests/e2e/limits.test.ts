import assert from 'node:assert/strict';
import { accessSync, constants, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

const root = process.getuid?.() === 0;
const cgroupsWritable = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory'].some((path) => {
  try {
    accessSync(join(path, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
});

test('a guest cannot use more memory than it was given, and outlives its own excess', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { memoryMb: 256 });
  const greedy = await sh(engine, box.id, `python3 -c 'x = bytearray(1 << 30); print(len(x))'`);
  assert.notEqual(greedy.exit.exitCode, 0);
  assert.equal(greedy.stdout, '');
  assert.equal((await sh(engine, box.id, 'echo alive')).stdout, 'alive\n');
});

test('a fork bomb stops at the process limit, and the agent goes on', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { maxProcesses: 64 });
  const bomb = await sh(engine, box.id, 'i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done; echo all');
  assert.ok(!bomb.stdout.includes('all') || /fork|resource/i.test(bomb.stderr), bomb.stderr);
  await engine.exec.ping(box.id);
  assert.ok((await engine.sandboxes.stats(box.id)).processes < 200);
});

test('the disk ends where its size ends', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { diskSizeMb: 128 });
  const full = await sh(engine, box.id, 'dd if=/dev/zero of=/home/user/big bs=1M count=400');
  assert.notEqual(full.exit.exitCode, 0);
  assert.match(full.stderr, /No space left/);
  await sh(engine, box.id, 'rm /home/user/big');
  assert.equal((await sh(engine, box.id, 'echo again > /home/user/small && cat /home/user/small')).stdout, 'again\n');
});

test('a read-only root stays read-only', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { readOnlyRootfs: true });
  assert.notEqual((await sh(engine, box.id, 'echo x > /etc/x')).exit.exitCode, 0);
  assert.equal((await sh(engine, box.id, 'echo y > /tmp/y && cat /tmp/y')).stdout, 'y\n');
});

test('without network the guest has no interface, and the VMM no network of the host', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { enableNetwork: false });
  assert.deepEqual((await sh(engine, box.id, 'ls /sys/class/net')).stdout.trim().split(/\s+/), ['lo']);
  const vmm = processesNaming(layout.sockets(box.id))[0];
  assert.ok(vmm !== undefined);
  if (root) assert.notEqual(readlinkSync(`/proc/${vmm.pid}/ns/net`), readlinkSync('/proc/self/ns/net'));
});

test(
  'the VMM runs as a user of its own, without privileges, in seccomp and a cgroup',
  { skip: root ? false : 'needs root' },
  async () => {
    await using under = await engineUnderTest();
    const { engine, layout } = under;
    await using one = await sandbox(engine);
    await using two = await sandbox(engine);
    const users = [one, two].map(({ id }) => {
      const { pid } = processesNaming(layout.sockets(id))[0] ?? { pid: 0 };
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
      assert.equal(field('CapEff'), '0000000000000000');
      assert.equal(field('CapBnd'), '0000000000000000');
      assert.equal(field('NoNewPrivs'), '1');
      assert.equal(field('Seccomp'), '2');
      // A container may not allow cgroups; the limits in the guest are tested above.
      if (cgroupsWritable) assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`novasandbox/${id}`));
      return field('Uid');
    });
    assert.equal(new Set(users).size, 2);
    assert.ok(!users.includes('0'));
  },
);

test('with user-mode networking too the guest has a network, and a forwarded port leads in', async (t) => {
  const before = process.env['NOVA_NETWORK'];
  process.env['NOVA_NETWORK'] = 'user';
  t.after(() => {
    if (before === undefined) delete process.env['NOVA_NETWORK'];
    else process.env['NOVA_NETWORK'] = before;
  });
  await using under = await engineUnderTest();
  const { engine } = under;
  const probe = createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const hostPort = (probe.address() as { port: number }).port;
  probe.close();
  await once(probe, 'close');
  await using box = await sandbox(engine, { hostPort, guestPort: 8080 });
  await assert.rejects(engine.sandboxes.create({ hostPort }), { code: 'port_in_use' });
  await engine.exec.startDetached(box.id, {
    argv: ['python3', '-m', 'http.server', '8080', '--directory', '/etc'],
    user: 'root',
  });
  const wait = `until curl -sf -o /dev/null http://127.0.0.1:8080/hostname; do sleep 0.1; done`;
  assert.equal((await sh(engine, box.id, wait, { timeoutMs: 30_000 })).exit.exitCode, 0);
  const response = await fetch(`http://127.0.0.1:${hostPort}/os-release`);
  assert.match(await response.text(), /Debian/);
  assert.match(
    (await sh(engine, box.id, 'ip -4 addr show eth0; ip route; cat /etc/resolv.conf')).stdout,
    /10\.0\.2\.15[\s\S]*default via 10\.0\.2\.2[\s\S]*nameserver 10\.0\.2\.3/,
  );
});

test('a time to live ends the sandbox, also when its maker has gone', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const { id } = await engine.sandboxes.create({ timeoutMs: 60_000 });
  const shorter = await engine.sandboxes.setTimeout(id, 1500);
  assert.ok(shorter.expiresAt !== null);
  const ended = await engine.sandboxes.exited(id, { signal: AbortSignal.timeout(30_000) });
  assert.equal(ended.state, 'stopped');
  assert.match(ended.reason ?? '', /time to live/);
});

test('a time to live ends a sandbox whose guest does not: the host keeps it too', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const { id } = await engine.sandboxes.create({ timeoutMs: 5000, vcpus: 1 });
  // It gets the processor before everything else in the guest, including the agent, and for ever.
  const forGood = `echo -1 > /proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done'`;
  const starting = engine.exec.startDetached(id, { argv: ['/bin/sh', '-c', forGood], user: 'root' });
  starting.catch(() => undefined);
  const ended = await engine.sandboxes.exited(id, { signal: AbortSignal.timeout(120_000) });
  assert.equal(ended.state, 'stopped');
  assert.match(ended.reason ?? '', /time to live/);
  await starting.catch(() => undefined);
});

test('a guest that does not answer can be given less time, and not more', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const { id } = await engine.sandboxes.create({ timeoutMs: 600_000 });
  for (const { pid } of processesNaming(layout.sockets(id))) process.kill(pid, 'SIGSTOP');
  await assert.rejects(engine.sandboxes.setTimeout(id, 1_200_000), { code: 'guest_unreachable' });
  const shorter = await engine.sandboxes.setTimeout(id, 1000);
  assert.ok(Date.parse(shorter.expiresAt ?? '') <= Date.now() + 1000);
  const ended = await engine.sandboxes.exited(id, { signal: AbortSignal.timeout(120_000) });
  assert.match(ended.reason ?? '', /time to live/);
});
