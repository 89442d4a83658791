import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import type { AttachedProcess, ExecRequest, GuestAgent } from '../ports/guest-agent.ts';
import { INITIAL_CREDIT, MAX_DATA } from './frame.ts';
import { frameKinds, messages, methods } from './numbers.ts';
import { Fields, RecordWriter } from './record.ts';
import { openHostile, type HostileGuest } from './testing/hostile-guest.ts';
import { liveBytes } from './testing/memory.ts';
import { rejects } from './testing/rejects.ts';

const withCode =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isNovaError(error, ...codes);
const started = (execId = 7): RecordWriter => new RecordWriter().integer(1, execId).integer(2, 100);

async function start(
  agent: GuestAgent,
  guest: HostileGuest,
  request: Partial<ExecRequest> = {},
): Promise<{ child: AttachedProcess; stream: number }> {
  const starting = agent.exec({ argv: ['x'], ...request });
  const { stream } = await guest.nextOf(frameKinds.open);
  await guest.message(stream, messages.started, started());
  return { child: await starting, stream };
}

test('output comes with its channel, then exit with everything the guest says of it', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest);
  assert.deepEqual([child.execId, child.pid], [7, 100]);
  await guest.data(stream, 1, Buffer.from('out'));
  await guest.data(stream, 2, Buffer.from('err'));
  await guest.data(stream, 3, Buffer.from('tty'));
  const exit = new RecordWriter().integer(1, 137).integer(2, 9).flag(3, true).integer(5, 3).integer(6, 3);
  await guest.result(stream, exit.integer(7, 1).integer(8, 2).integer(9, 4).integer(10, 5).flag(11, true));
  const output = await Array.fromAsync(child.output);
  assert.deepEqual(
    output.map(({ channel, bytes }) => [channel, Buffer.from(bytes).toString()]),
    [
      ['stdout', 'out'],
      ['stderr', 'err'],
      ['pty', 'tty'],
    ],
  );
  assert.deepEqual(await child.exit, {
    exitCode: 137,
    signal: 9,
    timedOut: true,
    oomKilled: true,
    stdoutBytes: 3,
    stderrBytes: 3,
    userUs: 1,
    systemUs: 2,
    maxRssKb: 4,
    wallUs: 5,
  });
  await assert.rejects(child.writeStdin(Buffer.from('x')), withCode('invalid_state'));
  await assert.rejects(child.signal(9), withCode('process_not_found'));
  await child.resize({ cols: 1, rows: 1 });
  await child.detach();
  assert.deepEqual(
    guest.frames.map(({ kind }) => kind),
    [frameKinds.open],
  );
  await agent.close();
});

test('credit is granted as the reader consumes, in few grants', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest);
  const chunk = Buffer.alloc(MAX_DATA);
  const chunks = Math.floor(INITIAL_CREDIT / MAX_DATA);
  for (let i = 0; i < chunks; i++) await guest.data(stream, 1, chunk);
  const ping = agent.ping();
  const next = await guest.next();
  assert.equal(next.lead, methods.ping, 'no credit for what nobody has read');
  await guest.result(next.stream);
  await ping;
  const iterator = child.output[Symbol.asyncIterator]();
  for (let i = 0; i < chunks; i++) await iterator.next();
  const credit = await guest.next();
  assert.deepEqual([credit.kind, credit.stream], [frameKinds.credit, stream]);
  // The credit was granted when half a window had been consumed; the rest is granted with the next half.
  assert.equal(credit.body.readUInt32LE(0), Math.ceil(INITIAL_CREDIT / 2 / MAX_DATA) * MAX_DATA);
  await agent.close();
});

test('a slow reader of endless output holds no more than the window', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest);
  const before = await liveBytes();
  let credit = INITIAL_CREDIT;
  let sent = 0;
  const total = 32 * 1024 * 1024;
  const feed = async (): Promise<void> => {
    while (sent < total) {
      if (credit < MAX_DATA) credit += (await guest.nextOf(frameKinds.credit)).body.readUInt32LE(0);
      await guest.data(stream, 1, Buffer.alloc(MAX_DATA));
      credit -= MAX_DATA;
      sent += MAX_DATA;
    }
    await guest.result(stream);
  };
  const feeding = feed();
  let received = 0;
  const held: number[] = [];
  for await (const { bytes } of child.output) {
    received += bytes.length;
    // Makes the reader slower than the guest: everything else gets a turn before it reads on.
    await new Promise((resolve) => setImmediate(resolve));
    if (received % (64 * MAX_DATA) === 0) held.push((await liveBytes()) - before);
  }
  await feeding;
  assert.equal(received, sent);
  assert.ok(held.length > 0 && Math.max(...held) < 4 * 1024 * 1024, `${Math.max(...held)} bytes held`);
  await agent.close();
});

test('input waits for credit and keeps its order; messages overtake it', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest, { stdin: true });
  const input = Buffer.alloc(INITIAL_CREDIT + 1000, 'a');
  let written = false;
  const writing = child.writeStdin(input).then(() => (written = true));
  const second = child.writeStdin(Buffer.from('tail'));
  await child.closeStdin();
  await assert.rejects(child.writeStdin(Buffer.from('x')), withCode('invalid_state'));
  await child.signal(15);
  let bytes = 0;
  let signalled = false;
  while (!signalled || bytes < INITIAL_CREDIT) {
    const frame = await guest.next();
    if (frame.kind === frameKinds.data) bytes += frame.body.length;
    if (frame.kind === frameKinds.message) {
      assert.deepEqual([frame.lead, new Fields(frame.body).integer(1)], [messages.signal, 15]);
      assert.ok(bytes < INITIAL_CREDIT, 'the message went ahead of what waited');
      signalled = true;
    }
    assert.notEqual(frame.kind, frameKinds.finish);
  }
  assert.equal(bytes, INITIAL_CREDIT);
  assert.equal(written, false);
  await guest.credit(stream, 999);
  assert.equal((await guest.next()).body.length, 999);
  assert.equal(written, false);
  await guest.credit(stream, 100);
  assert.equal((await guest.next()).body.length, 1);
  await writing;
  assert.equal((await guest.next()).body.toString(), 'tail');
  await second;
  assert.equal((await guest.next()).kind, frameKinds.finish);
  await agent.close();
});

test('the caller may reuse its buffer as soon as the write has resolved', async () => {
  const { agent, guest } = await openHostile();
  const { child } = await start(agent, guest, { stdin: true });
  const bytes = Buffer.from('before');
  await child.writeStdin(bytes);
  bytes.fill('x');
  assert.equal((await guest.nextOf(frameKinds.data)).body.toString(), 'before');
  await agent.close();
});

test('writes that wait fail when the process ends', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest, { stdin: true });
  const writing = assert.rejects(child.writeStdin(Buffer.alloc(INITIAL_CREDIT + 1)), withCode('process_not_found'));
  await guest.result(stream);
  await writing;
  await assert.rejects(child.writeStdin(Buffer.from('x')), withCode('process_not_found'));
  await agent.close();
});

test('leaving the iteration detaches', async () => {
  const { agent, guest } = await openHostile();
  const { child, stream } = await start(agent, guest);
  await guest.data(stream, 1, Buffer.from('a'));
  for await (const { bytes } of child.output) {
    assert.equal(Buffer.from(bytes).toString(), 'a');
    break;
  }
  const frame = await guest.next();
  assert.deepEqual([frame.kind, frame.stream], [frameKinds.cancel, stream]);
  await assert.rejects(child.exit, withCode('cancelled'));
  await agent.close();
});

test('detaching ends an iteration that waits', async () => {
  const { agent, guest } = await openHostile();
  const { child } = await start(agent, guest);
  const reading = Array.fromAsync(child.output);
  await child.detach();
  assert.deepEqual(await reading, []);
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});

test('an abort of a running process detaches: output and exit are cancelled, nothing is killed', async () => {
  const { agent, guest } = await openHostile();
  const controller = new AbortController();
  const starting = agent.exec({ argv: ['x'] }, { signal: controller.signal });
  const { stream } = await guest.next();
  await guest.message(stream, messages.started, started());
  const child = await starting;
  await guest.data(stream, 1, Buffer.from('unread'));
  controller.abort();
  await assert.rejects(Array.fromAsync(child.output), withCode('cancelled'));
  await assert.rejects(child.exit, withCode('cancelled'));
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
  await guest.end();
  assert.equal(guest.frames.length, 2);
});

test('the time limit is that of the start', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest } = await openHostile();
  const starting = agent.exec({ argv: ['x'] }, { timeoutMs: 100 });
  const { stream } = await guest.next();
  await guest.message(stream, messages.started, started());
  const child = await starting;
  t.mock.timers.tick(60_000);
  await guest.result(stream);
  assert.equal((await child.exit).exitCode, 0);
  await agent.close();
});

test('an abort before the start kills: on the stream, and by id when the start was on its way', async () => {
  const { agent, guest } = await openHostile();
  for (const exec of ['exec', 'execDetached'] as const) {
    const controller = new AbortController();
    const starting = assert.rejects(agent[exec]({ argv: ['x'] }, { signal: controller.signal }), withCode('cancelled'));
    const open = await guest.next();
    controller.abort();
    await starting;
    const kill = await guest.next();
    assert.deepEqual([kill.kind, kill.stream, kill.lead], [frameKinds.message, open.stream, messages.signal]);
    assert.equal(new Fields(kill.body).integer(1), 9);
    assert.equal((await guest.next()).kind, frameKinds.cancel);
    await guest.message(open.stream, messages.started, started(42));
    const signal = await guest.next();
    assert.deepEqual([signal.kind, signal.lead], [frameKinds.open, methods.signal]);
    assert.deepEqual([new Fields(signal.body).integer(1), new Fields(signal.body).integer(2)], [42, 9]);
    await guest.error(signal.stream, 'not_found');
  }
  await agent.close();
});

test('of aborted starts only the newest 1024 are remembered', async () => {
  const { agent, guest } = await openHostile();
  const streams: number[] = [];
  for (let i = 0; i < 1025; i++) {
    const controller = new AbortController();
    const starting = rejects(agent.exec({ argv: ['x'] }, { signal: controller.signal }), 'cancelled');
    streams.push((await guest.nextOf(frameKinds.open)).stream);
    controller.abort();
    await starting;
  }
  for (const [i, stream] of [streams[0], streams[1], streams[1024]].entries()) {
    await guest.message(stream ?? 0, messages.started, started(i));
  }
  const killed: number[] = [];
  while (killed.length < 2) killed.push(new Fields((await guest.nextOf(frameKinds.open)).body).integer(1));
  assert.deepEqual(killed, [1, 2]);
  await agent.close();
});

test('a start that was never sent leaves no trace', async () => {
  const { agent, guest } = await openHostile();
  guest.duplex.pause();
  // Fills the channel, so that the request waits on this side.
  const filler = Array.from({ length: 10 }, () => agent.stat(`/${'x'.repeat(30_000)}`));
  await new Promise((resolve) => setImmediate(resolve));
  const controller = new AbortController();
  const starting = agent.exec({ argv: ['x'] }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(starting, withCode('cancelled'));
  guest.duplex.resume();
  const closing = agent.close();
  await Promise.allSettled(filler);
  await closing;
  await guest.end();
  assert.ok(!guest.frames.some(({ kind, lead }) => kind === frameKinds.open && lead === methods.exec));
});

test('a start that was asked for and not answered may have run, and is told so', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const exec of ['exec', 'execDetached'] as const) {
    const { agent, guest } = await openHostile();
    const late = rejects(agent[exec]({ argv: ['x'] }, { timeoutMs: 100 }), 'command_outcome_unknown');
    await guest.nextOf(frameKinds.open);
    t.mock.timers.tick(100);
    await late;
    const lost = rejects(agent[exec]({ argv: ['x'] }), 'command_outcome_unknown');
    await guest.nextOf(frameKinds.open);
    guest.duplex.destroy();
    await lost;
    // This command was never requested.
    await rejects(agent[exec]({ argv: ['x'] }), 'guest_unreachable');
  }
});

test('a start that waits behind others is not overdue while these are answered', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const pass = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const { agent, guest } = await openHostile();
  const first = agent.exec({ argv: ['first'] });
  const { stream } = await guest.next();
  const waiting = agent.exec({ argv: ['waiting'] });
  const own = rejects(
    agent.exec({ argv: ['with a limit of its own'] }, { timeoutMs: 30_000 }),
    'command_outcome_unknown',
  );
  await guest.next();
  await guest.next();
  pass(20_000);
  await guest.message(stream, messages.started, started());
  await first;
  pass(20_000);
  await own;
  const ended = rejects(waiting, 'command_outcome_unknown');
  pass(10_000);
  await ended;
  await agent.close();
});

const lies: [name: string, (guest: HostileGuest, stream: number) => Promise<void>][] = [
  ['an exit before the start', (guest, id) => guest.result(id)],
  ['a start with a number out of range', (guest, id) => guest.message(id, 1, new RecordWriter().integer(1, 2n ** 63n))],
  ['output on an unknown channel', (guest, id) => guest.data(id, 4, Buffer.from('x'))],
];
for (const [name, lie] of lies) {
  test(`${name} is a protocol error`, async () => {
    const { agent, guest } = await openHostile();
    const starting = assert.rejects(agent.exec({ argv: ['x'] }), withCode('guest_protocol_error'));
    await lie(guest, (await guest.next()).stream);
    await starting;
    assert.ok(isNovaError(await agent.closed, 'guest_protocol_error'));
  });
}

test('a detached start resolves with its ids, and lies when it ends without a start', async () => {
  const { agent, guest } = await openHostile();
  const starting = agent.execDetached({ argv: ['x'], tag: 't' });
  const open = await guest.next();
  assert.equal(new Fields(open.body).flag(10), true);
  await guest.message(open.stream, messages.started, started());
  await guest.result(open.stream);
  assert.deepEqual(await starting, { execId: 7, pid: 100 });
  const second = assert.rejects(agent.execDetached({ argv: ['x'] }), withCode('guest_protocol_error'));
  await guest.result((await guest.next()).stream);
  await second;
});

test('attach asks for its offsets and tells where the replay began', async () => {
  const { agent, guest } = await openHostile();
  const attaching = agent.attach(7, { stdout: 10, stderr: null, stdin: true });
  const open = await guest.next();
  const fields = new Fields(open.body);
  assert.deepEqual(
    [open.lead, fields.integer(1), fields.integer(2), fields.integerOrNever(3), fields.flag(4)],
    [methods.attach, 7, 10, null, true],
  );
  await guest.message(open.stream, messages.started, started().integer(3, 20).integer(4, 30));
  const child = await attaching;
  assert.deepEqual([child.stdoutOffset, child.stderrOffset], [20, 30]);
  const missing = assert.rejects(agent.attach(8, { stdout: 0, stderr: 0 }), withCode('process_not_found'));
  await guest.error((await guest.next()).stream, 'not_found');
  await missing;
  await agent.close();
});

test('arguments are checked before anything is sent', async () => {
  const { agent, guest } = await openHostile();
  const invalid = withCode('invalid_argument');
  await assert.rejects(agent.exec({ argv: [] }), invalid);
  await assert.rejects(agent.exec({ argv: ['a\0b'] }), invalid);
  await assert.rejects(agent.exec({ argv: ['a'], env: { 'A=B': '' } }), invalid);
  await assert.rejects(agent.exec({ argv: ['a'], pty: { cols: 70_000, rows: 1 } }), invalid);
  await assert.rejects(agent.exec({ argv: ['a'] }, { timeoutMs: -1 }), invalid);
  await assert.rejects(agent.signal(1, 0), invalid);
  await assert.rejects(agent.signal(1, 65), invalid);
  await assert.rejects(agent.attach(-1, { stdout: 0, stderr: 0 }), invalid);
  const { child } = await start(agent, guest);
  await assert.rejects(child.signal(1.5), invalid);
  assert.equal(guest.frames.length, 1);
  await agent.close();
});
