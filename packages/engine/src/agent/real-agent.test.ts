import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { openSession } from './connect.ts';
import { INITIAL_CREDIT, encodeFrame } from './frame.ts';
import { encodeHello } from './handshake.ts';
import { liveBytes } from './testing/memory.ts';
import { outputOf, startAgent, type RealAgent } from './testing/real-agent.ts';
import { rejects } from './testing/rejects.ts';
import { frameKinds } from './numbers.ts';

let real: RealAgent;
let agent: GuestAgent;
before(async () => {
  real = await startAgent();
  agent = await real.open();
});
after(async () => {
  await agent.close();
  await real[Symbol.asyncDispose]();
});

async function sh(script: string): Promise<string> {
  const child = await agent.exec({ argv: ['/bin/sh', '-c', script] });
  return (await outputOf(child)).stdout;
}

test('info and metrics are plausible', { timeout: 10_000 }, async () => {
  const info = await agent.info();
  assert.equal(info.pid, real.pid);
  assert.match(info.agentVersion, /^\d+\.\d+\.\d+$/);
  assert.ok(Math.abs(Number(info.wallClockNs / 1_000_000n) - Date.now()) < 10_000);
  const metrics = await agent.metrics();
  assert.ok(metrics.cpuCount > 0 && metrics.memTotalBytes > 2 ** 20 && metrics.load1 >= 0);
  assert.ok(metrics.agentRssBytes > 0 && metrics.agentRssBytes < 2 ** 25);
});

test('what configure sets is what processes see', { timeout: 10_000 }, async () => {
  await agent.configure({
    entropy: Buffer.alloc(64, 7),
    wallClockNs: BigInt(Date.now()) * 1_000_000n,
    hostname: 'ignored-here',
    machineId: '0123456789abcdef0123456789abcdef',
    bootId: '01234567-89ab-cdef-0123-456789abcdef',
    env: { NOVA_BASE: 'base', NOVA_BOTH: 'base' },
    deadlineMs: null,
    network: { interface: 'eth0', address: '10.0.0.2/24', gateway: '10.0.0.1', dns: ['10.0.0.3', '10.0.0.4'] },
    hosts: ['10.0.0.1 gateway'],
    processLimit: 1000,
    memoryReserveMb: 1,
    defaultCwd: real.directory,
  });
  const child = await agent.exec({
    argv: ['/bin/sh', '-c', 'echo "$NOVA_BASE $NOVA_BOTH $PWD"'],
    env: { NOVA_BOTH: 'call' },
  });
  assert.equal((await outputOf(child)).stdout, `base call ${real.directory}\n`);
  await rejects(agent.configure({ entropy: Buffer.alloc(31) }), 'invalid_argument');
});

test('a process: both outputs, exit code, usage', { timeout: 10_000 }, async () => {
  const child = await agent.exec({ argv: ['/bin/sh', '-c', 'echo out; echo err >&2; exit 3'] });
  assert.deepEqual(await outputOf(child), { stdout: 'out\n', stderr: 'err\n', pty: '' });
  const exit = await child.exit;
  assert.deepEqual(
    [exit.exitCode, exit.signal, exit.timedOut, exit.stdoutBytes, exit.stderrBytes],
    [3, null, false, 4, 4],
  );
  assert.ok(exit.wallUs > 0);
});

test('a process that cannot be started says why', { timeout: 10_000 }, async () => {
  await rejects(agent.exec({ argv: ['no-such-program'] }), 'command_not_found');
  await rejects(agent.exec({ argv: ['/etc/passwd'] }), 'command_not_executable');
  await rejects(agent.exec({ argv: ['true'], user: 'nobody-of-this-name' }), 'unknown_user');
  await rejects(agent.exec({ argv: ['true'], cwd: '/no/such/directory' }), 'invalid_argument');
});

test('arguments longer than a frame arrive whole', { timeout: 10_000 }, async () => {
  const long = 'x'.repeat(100_000);
  const child = await agent.exec({
    argv: ['/bin/sh', '-c', 'echo ${#1} ${#NOVA_LONG}', 'sh', long],
    env: { NOVA_LONG: long },
  });
  assert.equal((await outputOf(child)).stdout, '100000 100000\n');
});

test('input arrives in order and ends', { timeout: 20_000 }, async () => {
  const child = await agent.exec({ argv: ['sha256sum'], stdin: true });
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  for (let i = 0; i < 40; i++) {
    const bytes = Buffer.alloc(100_000, i);
    hash.update(bytes);
    await child.writeStdin(bytes);
  }
  await child.closeStdin();
  assert.equal((await outputOf(child)).stdout, `${hash.digest('hex')}  -\n`);
});

test(
  'a reader slower than 100 MB of output makes the process wait, with little held here',
  { timeout: 60_000 },
  async () => {
    const child = await agent.exec({ argv: ['head', '-c', '100000000', '/dev/zero'] });
    const base = await liveBytes();
    let [received, chunks] = [0, 0];
    const held: number[] = [];
    for await (const { bytes } of child.output) {
      received += bytes.length;
      await new Promise((resolve) => setImmediate(resolve));
      if (++chunks % 300 === 0) held.push((await liveBytes()) - base);
    }
    assert.equal(received, 100_000_000);
    assert.equal((await child.exit).stdoutBytes, 100_000_000);
    assert.ok(held.length > 0 && Math.max(...held) < 4 * 1024 * 1024, `${Math.max(...held)} bytes held`);
  },
);

test('a process whose output nobody reads waits, and others go on', { timeout: 10_000 }, async () => {
  const stuck = await agent.exec({ argv: ['head', '-c', '5000000', '/dev/zero'] });
  assert.equal(await sh('echo free'), 'free\n');
  const [info] = (await agent.processes()).filter(({ execId }) => execId === stuck.execId);
  assert.equal(info?.running, true);
  let received = 0;
  for await (const { bytes } of stuck.output) received += bytes.length;
  assert.equal(received, 5_000_000);
});

test('a terminal has the size it is given, and takes input', { timeout: 10_000 }, async () => {
  const child = await agent.exec({ argv: ['/bin/sh'], pty: { cols: 91, rows: 33 }, env: { PS1: '' } });
  await child.writeStdin(Buffer.from('stty size; read line\n'));
  let seen = '';
  for await (const { channel, bytes } of child.output) {
    assert.equal(channel, 'pty');
    const had = seen;
    seen += Buffer.from(bytes).toString();
    if (!had.includes('33 91') && seen.includes('33 91')) {
      await child.resize({ cols: 92, rows: 34 });
      await child.writeStdin(Buffer.from('go\nstty size; exit 5\n'));
    }
  }
  assert.match(seen, /34 92/);
  assert.equal((await child.exit).exitCode, 5);
});

test('signals and the time limit end a process', { timeout: 20_000 }, async () => {
  const first = await agent.exec({ argv: ['sleep', '100'] });
  await first.signal(15);
  const firstExit = await first.exit;
  assert.deepEqual([firstExit.exitCode, firstExit.signal], [143, 15]);
  const second = await agent.exec({ argv: ['sleep', '100'] });
  await agent.signal(second.execId, 9);
  assert.equal((await second.exit).signal, 9);
  await rejects(agent.signal(second.execId, 9), 'process_not_found');
  await rejects(agent.signal(1_000_000, 9), 'process_not_found');
  const third = await agent.exec({ argv: ['sleep', '100'], timeoutMs: 50 });
  const thirdExit = await third.exit;
  assert.deepEqual([thirdExit.timedOut, thirdExit.signal], [true, 15]);
});

test('a process outlives its session and replays to another', { timeout: 20_000 }, async () => {
  const other = await real.open();
  const script = 'echo one; echo two >&2; read line; echo $line; exit 7';
  const { execId } = await other.execDetached({ argv: ['/bin/sh', '-c', script], stdin: true, tag: 'survivor' });
  await other.close();
  const [listed] = (await agent.processes()).filter(({ tag }) => tag === 'survivor');
  assert.deepEqual([listed?.execId, listed?.running, listed?.exit], [execId, true, null]);
  const child = await agent.attach(execId, { stdout: 0, stderr: 0, stdin: true });
  await child.writeStdin(Buffer.from('three\n'));
  assert.deepEqual(await outputOf(child), { stdout: 'one\nthree\n', stderr: 'two\n', pty: '' });
  assert.equal((await child.exit).exitCode, 7);
  const again = await agent.attach(execId, { stdout: 4, stderr: null });
  assert.deepEqual([again.stdoutOffset, again.stderrOffset], [4, 4]);
  assert.deepEqual(await outputOf(again), { stdout: 'three\n', stderr: '', pty: '' });
  await rejects(agent.attach(1_000_000, { stdout: 0, stderr: 0 }), 'process_not_found');
});

test('leaving the output detaches, the process goes on', { timeout: 20_000 }, async () => {
  const mark = join(real.directory, 'went-on');
  const child = await agent.exec({ argv: ['/bin/sh', '-c', `echo x; read line; touch ${mark}`], stdin: true });
  for await (const { bytes } of child.output) {
    assert.equal(Buffer.from(bytes).toString(), 'x\n');
    break;
  }
  await rejects(child.exit, 'cancelled');
  const again = await agent.attach(child.execId, { stdout: null, stderr: null, stdin: true });
  await again.writeStdin(Buffer.from('\n'));
  assert.equal((await again.exit).exitCode, 0);
  assert.ok(existsSync(mark));
});

test('an abort before the start leaves no process', { timeout: 20_000 }, async () => {
  let cancelled = 0;
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController();
    const starting = agent.exec({ argv: ['sleep', '1000'], tag: 'aborted' }, { signal: controller.signal });
    const outcome = starting.catch((error: unknown) => error);
    // Aborts alternately before the request has left and while it is on its way.
    if (i % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const reason = await outcome;
    if (isNovaError(reason, 'cancelled')) cancelled++;
    // The process had started before the abort arrived.
    else await agent.signal((await starting).execId, 9);
  }
  assert.ok(cancelled >= 10);
  const running = async (): Promise<number> =>
    (await agent.processes()).filter((process) => process.tag === 'aborted' && process.running).length;
  while ((await running()) > 0) await agent.ping();
});

test(
  'a session that was torn in the middle of a frame is replaced on the same stream',
  { timeout: 10_000 },
  async () => {
    const socket = await real.connect();
    socket.write(encodeHello(Buffer.alloc(16, 1), false));
    await once(socket, 'data');
    const exec = encodeFrame(frameKinds.data, 1, 0, Buffer.alloc(20_000));
    socket.write(exec.subarray(0, 5000));
    const session = await openSession(socket, { flush: true });
    assert.equal((await session.info()).pid, real.pid);
    await session.close();
    assert.equal(await session.closed, null);
  },
);

test('deadlines are set, read and taken back', { timeout: 10_000 }, async () => {
  assert.equal(await agent.deadline(undefined), null);
  const remaining = await agent.deadline(1_000_000);
  assert.ok(remaining !== null && remaining > 990_000 && remaining <= 1_000_000);
  assert.equal(await agent.deadline(null), null);
  await agent.setClock(BigInt(Date.now()) * 1_000_000n);
  await agent.quiesce({ dropCaches: false, trim: false });
});

test('an agent that dies fails what is under way', { timeout: 10_000 }, async () => {
  await using doomed = await startAgent();
  const session = await doomed.open();
  const child = await session.exec({ argv: ['sleep', '100'], stdin: true });
  const writing = rejects(child.writeStdin(Buffer.alloc(INITIAL_CREDIT * 4)), 'guest_unreachable');
  process.kill(doomed.pid, 'SIGKILL');
  await writing;
  await rejects(child.exit, 'guest_unreachable');
  await rejects(session.ping(), 'guest_unreachable');
  // Its processes are not the concern of this test, but must not stay.
  process.kill(child.pid, 'SIGKILL');
});
