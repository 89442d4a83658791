import assert from 'node:assert/strict';
import test from 'node:test';
import { NovaError, isNovaError } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { encodeCredit, encodeFrame } from './frame.ts';
import { frameKinds, messages, methods } from './numbers.ts';
import { RecordWriter } from './record.ts';
import { openHostile, type HostFrame, type HostileGuest } from './testing/hostile-guest.ts';
import { liveBytes } from './testing/memory.ts';
import { mutate, randomFrame } from './testing/mutate.ts';
import { Random } from './testing/random.ts';

/** Another seed tries other inputs: NOVA_FUZZ_SEED=5 NOVA_FUZZ_SCALE=20 node --test .../fuzz-session.test.ts */
const seed = Number(process.env['NOVA_FUZZ_SEED'] ?? 1);
const scale = Number(process.env['NOVA_FUZZ_SCALE'] ?? 1);

/** Makes every call of the agent, and reads returned streams to their end. */
function callEverything(agent: GuestAgent): Promise<unknown>[] {
  const drain = async (source: AsyncIterable<unknown>): Promise<void> => {
    for await (const _item of source);
  };
  const child = async (): Promise<void> => {
    const started = await agent.exec({ argv: ['x'], stdin: true });
    await Promise.allSettled([drain(started.output), started.exit, started.writeStdin(Buffer.alloc(300_000))]);
  };
  const tunnel = async (): Promise<void> => {
    const connection = await agent.tunnel({ port: 1 });
    connection.write(Buffer.alloc(300_000));
    await drain(connection);
  };
  return [
    agent.info(),
    agent.ping(),
    agent.configure({ hostname: 'x' }),
    child(),
    child(),
    agent.execDetached({ argv: ['x'] }),
    agent.attach(1, { stdout: 0, stderr: 0 }).then(({ output }) => drain(output)),
    agent.signal(1, 9),
    agent.processes(),
    agent.readFile('/x', {}).then(({ bytes }) => drain(bytes)),
    agent.writeFile('/x', [Buffer.alloc(300_000)], {}),
    agent.stat('/x'),
    agent.list('/x', {}),
    agent.makeDirectory('/x', {}),
    agent.move('/x', '/y'),
    agent.remove('/x'),
    agent.setAttributes('/x', { mode: 0 }),
    agent.watch('/x', {}).then(drain),
    agent.tarIn('/x', [Buffer.alloc(300_000)], undefined),
    agent.tarOut('/x', undefined).then(drain),
    tunnel(),
    tunnel(),
    agent.metrics(),
    agent.setClock(1n),
    agent.quiesce({ dropCaches: false, trim: false }),
    agent.deadline(undefined),
    agent.shutdown(0),
    agent.warm([['x']]),
  ];
}

const message = (stream: number, type: number, fields = new RecordWriter()): Buffer =>
  encodeFrame(frameKinds.message, stream, type, fields.finish());
const data = (stream: number, channel: number): Buffer =>
  encodeFrame(frameKinds.data, stream, channel, Buffer.from('some bytes'));
const finish = (stream: number): Buffer => encodeFrame(frameKinds.finish, stream, null);
const started = (): RecordWriter => new RecordWriter().integer(1, 1).integer(2, 2);

/** The frames that an honest guest sends before the RESULT of a call. */
function honestFrames({ lead, stream }: HostFrame): Buffer[] {
  const credit = encodeCredit(stream, 100_000);
  switch (lead) {
    case methods.exec:
    case methods.attach:
      return [message(stream, messages.started, started()), data(stream, 1), data(stream, 2), credit, data(stream, 1)];
    case methods.read:
      return [message(stream, messages.stat), data(stream, 0), data(stream, 0)];
    case methods.write:
    case methods.tarIn:
      return [credit, credit];
    case methods.listDirectory:
      return [message(stream, messages.entry), message(stream, messages.entry)];
    case methods.watch:
      return [message(stream, messages.watching), message(stream, messages.change, started())];
    case methods.tarOut:
      return [data(stream, 0), data(stream, 0)];
    case methods.tunnel:
      return [message(stream, messages.connected), data(stream, 0), credit, data(stream, 0), finish(stream)];
    default:
      return [];
  }
}

function honestResult({ lead, stream }: HostFrame): Buffer {
  const fields = new RecordWriter();
  if (lead === methods.read) fields.integer(1, 20);
  if (lead === methods.write) fields.record(2, new RecordWriter());
  return encodeFrame(frameKinds.result, stream, null, fields.finish());
}

/**
 * Answers each request as it comes, and uploads once they have finished. With a `rate` of 0 it behaves like an honest
 * guest; otherwise about one frame in `rate` is mutated, replaced or left out.
 */
async function answer(guest: HostileGuest, random: Random, rate: number): Promise<void> {
  const opens = new Map<number, HostFrame>();
  const send = async (bytes: Buffer): Promise<void> => {
    if (rate === 0 || random.below(rate) > 0) await guest.raw(bytes);
    else if (random.below(3) > 0) {
      await guest.raw(random.below(2) === 0 ? mutate(random, bytes) : randomFrame(random, opens.size + 1));
    }
  };
  for (;;) {
    const frame = await guest.next().catch(() => null);
    if (frame === null) return;
    const request = opens.get(frame.stream);
    const uploads = request?.lead === methods.write || request?.lead === methods.tarIn;
    if (frame.kind === frameKinds.finish && request !== undefined && uploads) await send(honestResult(request));
    if (frame.kind !== frameKinds.open) continue;
    opens.set(frame.stream, frame);
    for (const bytes of honestFrames(frame)) await send(bytes);
    if (frame.lead !== methods.write && frame.lead !== methods.tarIn) await send(honestResult(frame));
  }
}

/**
 * Runs every call against the guest that `play` drives. Each call must end, by itself or with the session, with its
 * result or a NovaError.
 */
async function runSession(play: (guest: HostileGuest, calls: Promise<unknown>[]) => Promise<void>): Promise<Outcome> {
  const { agent, guest } = await openHostile();
  const calls = callEverything(agent);
  const settling = Promise.allSettled(calls);
  await play(guest, calls);
  await agent.close();
  const reason = await agent.closed;
  if (reason !== null) assert.ok(isNovaError(reason, 'guest_protocol_error', 'guest_unreachable'), String(reason));
  const settled = await settling;
  for (const result of settled) {
    if (result.status === 'rejected') assert.ok(result.reason instanceof NovaError, String(result.reason));
  }
  const succeeded = settled.filter(({ status }) => status === 'fulfilled').length;
  return { succeeded, failed: settled.length - succeeded, broken: reason !== null };
}

interface Outcome {
  readonly succeeded: number;
  readonly failed: number;
  readonly broken: boolean;
}

async function runMany(rounds: number, play: Parameters<typeof runSession>[0]): Promise<Outcome[]> {
  const before = await liveBytes();
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) outcomes.push(await runSession(play));
  const held = (await liveBytes()) - before;
  assert.ok(held < 16 * 1024 * 1024, `${held} bytes held after ${rounds} sessions`);
  return outcomes;
}

test('an honest guest answers everything', { timeout: 10_000 }, async () => {
  const outcome = await runSession(async (guest, calls) => {
    void answer(guest, new Random(seed), 0);
    await Promise.allSettled(calls);
  });
  assert.deepEqual(outcome, { succeeded: outcome.succeeded, failed: 0, broken: false });
});

test('a guest that sends whatever it likes', { timeout: 60_000 }, async () => {
  const random = new Random(seed + 1);
  const outcomes = await runMany(100 * scale, async (guest, calls) => {
    for (let i = 0; i < 60 && !guest.ended; i++) await guest.raw(randomFrame(random, calls.length));
    if (random.below(2) === 0) guest.duplex.end();
  });
  assert.ok(outcomes.some(({ broken }) => broken));
});

test('a guest that gets its answers slightly wrong', { timeout: 60_000 }, async () => {
  const random = new Random(seed + 2);
  const outcomes = await runMany(100 * scale, async (guest, calls) => {
    const answering = answer(guest, random, random.pick([10, 50, 200]));
    // Some calls wait for frames that were left out. The others have had their turn once the guest has seen every
    // request.
    while (!guest.ended && guest.frames.filter(({ kind }) => kind === frameKinds.open).length < calls.length) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (random.below(4) === 0) guest.duplex.end();
    void answering;
  });
  assert.ok(outcomes.some(({ broken }) => broken));
  assert.ok(outcomes.some(({ broken, succeeded, failed }) => !broken && succeeded > failed));
});
