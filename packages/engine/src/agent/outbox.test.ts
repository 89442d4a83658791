import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import test from 'node:test';
import { Outbox, type Sender } from './outbox.ts';

/** A Duplex that takes a write only when told, and the writes it has taken. */
function makeDuplex(highWaterMark: number): { duplex: Duplex; writes: string[]; take: () => void } {
  const writes: string[] = [];
  let pending: (() => void) | null = null;
  const duplex = new Duplex({
    writableHighWaterMark: highWaterMark,
    read() {},
    write(chunk: Buffer, _encoding, settle) {
      writes.push(String(chunk));
      pending = settle;
    },
    writev(chunks, settle) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      pending = settle;
    },
  });
  return { duplex, writes, take: () => pending?.() };
}

function sender(urgent: string[], data: string[] = []): Sender & { asked: number } {
  const next = (from: string[]): Buffer | undefined => {
    const frame = from.shift();
    return frame === undefined ? undefined : Buffer.from(frame);
  };
  return {
    asked: 0,
    nextUrgent() {
      this.asked++;
      return next(urgent);
    },
    nextData() {
      this.asked++;
      return next(data);
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is offered in one turn leaves in one write', async () => {
  const { duplex, writes } = makeDuplex(1000);
  const outbox = new Outbox(duplex);
  outbox.offerUrgent(sender(['a', 'b']));
  outbox.offerData(sender([], ['c']));
  await turn();
  assert.deepEqual(writes, ['abc']);
});

test('urgent frames go first, senders of data take turns', async () => {
  const { duplex, writes, take } = makeDuplex(1);
  const outbox = new Outbox(duplex);
  outbox.offerData(sender([], ['1', '3', '5']));
  outbox.offerData(sender([], ['4', '6', '7', '8']));
  outbox.offerUrgent(sender(['2']));
  for (let i = 0; i < 8; i++) {
    await turn();
    take();
  }
  await turn();
  assert.equal(writes.join(''), '12345678');
});

test('a full Duplex is given nothing more, and who withdraws meanwhile is not asked again', async () => {
  const { duplex, writes, take } = makeDuplex(1);
  const outbox = new Outbox(duplex);
  outbox.offerUrgent(sender(['a']));
  assert.ok(outbox.blocked);
  const gone = sender(['x'], ['x']);
  const stays = sender(['b']);
  outbox.offerUrgent(gone);
  outbox.offerData(gone);
  outbox.offerUrgent(stays);
  await turn();
  assert.deepEqual([writes.join(''), gone.asked, stays.asked], ['a', 0, 0]);
  outbox.withdraw(gone);
  take();
  await turn();
  take();
  await turn();
  assert.deepEqual([writes.join(''), gone.asked], ['ab', 0]);
});

test('whenEmpty waits for what was offered, and not for what has nothing', async () => {
  const { duplex, take } = makeDuplex(1);
  const outbox = new Outbox(duplex);
  let empty = 0;
  outbox.whenEmpty(() => empty++);
  assert.equal(empty, 1);
  outbox.offerUrgent(sender(['a', 'b']));
  outbox.whenEmpty(() => empty++);
  await turn();
  assert.equal(empty, 1);
  for (let i = 0; i < 2; i++) {
    take();
    await turn();
  }
  assert.equal(empty, 2);
});

test('a closed outbox writes nothing', async () => {
  const { duplex, writes } = makeDuplex(1000);
  const outbox = new Outbox(duplex);
  outbox.close();
  assert.ok(outbox.blocked);
  outbox.offerUrgent(sender(['a']));
  await turn();
  assert.deepEqual(writes, []);
});
