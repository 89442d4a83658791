import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { MAX_STREAMS } from './frame.ts';
import { frameKinds, messages, methods } from './numbers.ts';
import { openHostile, type HostFrame } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';

/** Time limits, signals, the number of streams, a guest that does not read, and the end of a session. */

const withCode =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isNovaError(error, ...codes);

function kindsOf(frames: readonly HostFrame[]): number[] {
  return frames.map(({ kind }) => kind);
}

test('a silent guest costs the time limit, and is told', async () => {
  const { agent, guest } = await openHostile();
  await assert.rejects(agent.stat('/x', undefined, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.exec({ argv: ['x'] }, { timeoutMs: 10 }), withCode('command_outcome_unknown'));
  await assert.rejects(agent.tunnel({ port: 1 }, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.watch('/', {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.readFile('/', {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.tarOut('/', undefined, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.writeFile('/', [Buffer.from('x')], {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await agent.close();
  await guest.end();
  assert.equal(kindsOf(guest.frames).filter((kind) => kind === frameKinds.open).length, 7);
  assert.equal(kindsOf(guest.frames).filter((kind) => kind === frameKinds.cancel).length, 7);
});

test('every call hears its signal, before and while it runs', async () => {
  const { agent, guest } = await openHostile();
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => agent.info({ signal }),
    (signal) => agent.processes({ signal }),
    (signal) => agent.list('/', {}, { signal }),
    (signal) => agent.exec({ argv: ['x'] }, { signal }),
    (signal) => agent.execDetached({ argv: ['x'] }, { signal }),
    (signal) => agent.attach(1, { stdout: 0, stderr: 0 }, { signal }),
    (signal) => agent.readFile('/', {}, { signal }),
    (signal) => agent.tarOut('/', undefined, { signal }),
    (signal) => agent.writeFile('/', [], {}, { signal }),
    (signal) => agent.tarIn('/', [], undefined, { signal }),
    (signal) => agent.watch('/', {}, { signal }),
    (signal) => agent.tunnel({ port: 1 }, { signal }),
  ];
  for (const call of calls) {
    await assert.rejects(call(AbortSignal.abort()), withCode('cancelled'));
    assert.equal(guest.frames.length, 0, 'nothing is sent for a signal that had fired');
  }
  for (const call of calls) {
    const controller = new AbortController();
    const rejected = assert.rejects(call(controller.signal), withCode('cancelled'));
    const open = await guest.nextOf(frameKinds.open);
    controller.abort();
    await rejected;
    assert.equal((await guest.nextOf(frameKinds.cancel)).stream, open.stream);
  }
  await agent.close();
});

test('a call that has ended leaves nothing at its signal', async () => {
  const { agent, guest } = await openHostile();
  const { signal } = new AbortController();
  const ping = agent.ping({ signal });
  const { stream } = await guest.next();
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await guest.result(stream);
  await ping;
  const failing = rejects(agent.stat('/', undefined, { signal }), 'file_not_found');
  await guest.error((await guest.next()).stream, 'not_found');
  await failing;
  const starting = agent.exec({ argv: ['x'] }, { signal });
  const open = await guest.next();
  await guest.message(open.stream, messages.started);
  const child = await starting;
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await guest.result(open.stream);
  await child.exit;
  await rejects(agent.exec({ argv: ['x'.repeat(2_000_000)] }, { signal }), 'invalid_argument');
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await agent.close();
});

test('at the limit of streams calls are refused here, and accepted again when one has ended', async () => {
  const { agent, guest } = await openHostile();
  const pings = Array.from({ length: MAX_STREAMS }, () => agent.ping());
  await assert.rejects(agent.ping(), withCode('channel_busy'));
  await guest.result((await guest.next()).stream);
  await pings[0];
  const last = agent.ping();
  await agent.close();
  const settled = await Promise.allSettled([...pings, last]);
  assert.equal(settled.filter(({ status }) => status === 'rejected').length, MAX_STREAMS);
});

test('connections to ports leave half of the streams to calls', async () => {
  const { agent, guest } = await openHostile();
  const calls = [agent.ping(), agent.ping()];
  const tunnels = Array.from({ length: MAX_STREAMS / 2 }, () => agent.tunnel({ port: 1 }));
  await assert.rejects(agent.tunnel({ port: 1 }), withCode('channel_busy'));
  while (calls.length < MAX_STREAMS / 2) calls.push(agent.ping());
  await assert.rejects(agent.ping(), withCode('channel_busy'));
  for (;;) {
    const { stream, lead } = await guest.nextOf(frameKinds.open);
    if (lead !== methods.tunnel) continue;
    await guest.error(stream, 'unavailable');
    break;
  }
  await assert.rejects(Promise.race(tunnels), withCode('connection_refused'));
  tunnels.push(agent.tunnel({ port: 1 }));
  await assert.rejects(agent.tunnel({ port: 1 }), withCode('channel_busy'));
  await agent.close();
  await Promise.allSettled([...calls, ...tunnels]);
});

test('a guest that does not read holds back requests, which vanish with their calls', async () => {
  const { agent, guest } = await openHostile();
  guest.duplex.pause();
  const long = 'x'.repeat(30_000);
  for (let i = 0; i < 100; i++) {
    const controller = new AbortController();
    const call = agent.stat(`/${long}`, undefined, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await assert.rejects(call, withCode('cancelled'));
  }
  const ping = agent.ping();
  guest.duplex.resume();
  for (;;) {
    const frame = await guest.nextOf(frameKinds.open);
    if (frame.lead === methods.ping) {
      await guest.result(frame.stream);
      break;
    }
  }
  await ping;
  const opens = guest.frames.filter(({ kind }) => kind === frameKinds.open);
  const cancels = guest.frames.filter(({ kind }) => kind === frameKinds.cancel);
  assert.ok(opens.length < 20, `${opens.length} requests were buffered`);
  assert.equal(cancels.length, opens.length - 1, 'only what the guest knows of is cancelled');
  await agent.close();
});

test('close cancels what is open, sends it all and ends at a frame boundary', async () => {
  const { agent, guest } = await openHostile();
  const ping = agent.ping();
  const starting = agent.exec({ argv: ['cat'], stdin: true });
  await guest.next();
  await guest.message((await guest.next()).stream, messages.started);
  const child = await starting;
  const closing = agent.close();
  await assert.rejects(ping, withCode('guest_unreachable'));
  await assert.rejects(child.exit, withCode('guest_unreachable'));
  await assert.rejects(agent.ping(), withCode('guest_unreachable'));
  await closing;
  await guest.end();
  assert.deepEqual(kindsOf(guest.frames.slice(2)), [frameKinds.cancel, frameKinds.cancel]);
  assert.equal(await agent.closed, null);
  await agent.close();
});

test('close does not wait for ever for a guest that does not read, and says that the stream is torn', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest } = await openHostile();
  guest.duplex.pause();
  const calls = Array.from({ length: 20 }, () => agent.stat(`/${'x'.repeat(30_000)}`));
  await new Promise((resolve) => setImmediate(resolve));
  const closing = agent.close();
  t.mock.timers.tick(10_000);
  await closing;
  assert.ok(isNovaError(await agent.closed, 'guest_unreachable'));
  assert.ok((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected'));
});
