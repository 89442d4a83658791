import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { ExecLimit } from './exec-limit.ts';
import { frameKinds, messages } from './numbers.ts';
import { RecordWriter } from './record.ts';
import { openHostile, type HostileGuest } from './testing/hostile-guest.ts';

const started = new RecordWriter().integer(1, 7).integer(2, 100);
const isOverdue = (error: unknown): boolean =>
  isNovaError(error, 'guest_unreachable') && error.details['limitMs'] === 1;

async function limited() {
  const { agent, guest } = await openHostile();
  const starting = agent.exec({ argv: ['x'], timeoutMs: 1 });
  const { stream } = await guest.nextOf(frameKinds.open);
  await guest.message(stream, messages.started, started);
  return { agent, guest, stream, child: await starting };
}

/** The guest says that the command has ended. */
const end = (guest: HostileGuest, stream: number): Promise<void> => {
  const exit = new RecordWriter().integer(1, 137).integer(2, 9).flag(3, true).integer(5, 3).integer(6, 0);
  return guest.result(stream, exit.integer(7, 1).integer(8, 2).integer(9, 4).integer(10, 5));
};

test('a guest that does not end a command at its limit is not waited for', async () => {
  const { agent, child } = await limited();
  await assert.rejects(Array.fromAsync(child.output), isOverdue);
  await assert.rejects(child.exit, isOverdue);
  await agent.close();
});

test('a slow reader does not make a command overdue; the guest has its turn when all is read', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest, stream, child } = await limited();
  await guest.data(stream, 1, Buffer.from('out'));
  context.mock.timers.tick(3_600_000);
  const reader = child.output[Symbol.asyncIterator]();
  assert.equal(Buffer.from((await reader.next()).value?.bytes ?? []).toString(), 'out');
  await end(guest, stream);
  assert.equal((await child.exit).timedOut, true);
  context.mock.timers.reset();
  await agent.close();
});

test('neither endless output nor a word now and then prolongs it for good', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const endOf = (talk: (limit: ExecLimit) => void): boolean => {
    let isOver = false;
    const limit = new ExecLimit(
      1,
      () => false,
      () => (isOver = true),
    );
    context.mock.timers.tick(2001);
    for (let piece = 0; piece < 5000 && !isOver; piece++) talk(limit);
    limit.release();
    return isOver;
  };
  assert.ok(endOf((limit) => limit.heard(32_768)));
  let now = 0;
  context.mock.method(performance, 'now', () => now);
  assert.ok(
    endOf((limit) => {
      limit.read();
      now += 2900;
      context.mock.timers.tick(2900);
      limit.heard(1);
    }),
  );
});
