import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { parseQuery, recordTypes, writeAnswer, writeError, type Question } from './message.ts';

interface Shape {
  readonly flags?: number;
  readonly counts?: readonly [number, number, number, number];
  readonly type?: number;
  readonly kind?: number;
  readonly options?: boolean;
}

function queryFor(name: string, { flags = 0x0100, counts, type = 1, kind = 1, options = false }: Shape = {}): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(4711, 0);
  header.writeUInt16BE(flags, 2);
  for (const [index, count] of (counts ?? [1, 0, 0, options ? 1 : 0]).entries())
    header.writeUInt16BE(count, 4 + 2 * index);
  const labels =
    name === '' ? [] : name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const end = Buffer.from([0, type >> 8, type & 0xff, kind >> 8, kind & 0xff]);
  return Buffer.concat([
    header,
    ...labels,
    end,
    ...(options ? [Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0])] : []),
  ]);
}

const questionOf = (message: Buffer): Question => {
  const read = parseQuery(message);
  assert.ok('name' in read, JSON.stringify(read));
  return read;
};

test('a query is read, with and without options', () => {
  const plain = questionOf(queryFor('Api.Example.com'));
  assert.deepEqual(
    [plain.id, plain.name, plain.type, plain.isInternet, plain.extended],
    [4711, 'Api.Example.com', recordTypes.A, true, false],
  );
  assert.equal(questionOf(queryFor('a.test', { options: true })).extended, true);
  assert.equal(questionOf(queryFor('', { type: 2 })).name, '');
  assert.equal(questionOf(queryFor('a.test', { kind: 3 })).isInternet, false);
});

test('an answer has an address, or a reason for who can read one', () => {
  const address = writeAnswer(questionOf(queryFor('a.test')), { code: 0, address: '198.19.1.2' });
  assert.deepEqual([...address.subarray(-4)], [198, 19, 1, 2]);
  assert.deepEqual([address.readUInt16BE(0), address.readUInt16BE(2), address.readUInt16BE(6)], [4711, 0x8180, 1]);
  const denied = { code: 3, address: null, reason: 'not_allowed (otherwise).' } as const;
  assert.equal(writeAnswer(questionOf(queryFor('a.test')), denied).readUInt16BE(10), 0);
  const explained = writeAnswer(questionOf(queryFor('a.test', { options: true })), denied);
  assert.equal(explained.readUInt16BE(10), 1);
  assert.equal(explained.readUInt16BE(2) & 0xf, 3);
  // The extended error: option 15, "blocked" (15), and the text.
  const option = explained.subarray(-(denied.reason.length + 6));
  assert.deepEqual([option.readUInt16BE(0), option.readUInt16BE(4)], [15, 15]);
  assert.equal(option.toString('latin1', 6), denied.reason);
});

test('what is no query for one name is refused, and an answer is not answered', () => {
  for (const bad of [
    queryFor('a.test', { counts: [2, 0, 0, 0] }),
    queryFor('a.test', { counts: [1, 1, 0, 0] }),
    queryFor('a.test').subarray(0, 15),
    Buffer.concat([queryFor('').subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
    queryFor('a\u0000b.test'),
    queryFor(`${'a'.repeat(60)}.`.repeat(5).slice(0, -1)),
  ]) {
    const read = parseQuery(bad);
    assert.ok('code' in read && read.code === 1, bad.toString('hex'));
    assert.equal(writeError(read)?.readUInt16BE(2), 0x8081);
  }
  for (const silent of [queryFor('a.test', { flags: 0x8180 }), Buffer.alloc(5)]) {
    const read = parseQuery(silent);
    assert.ok('code' in read);
    assert.equal(writeError(read), null);
  }
  assert.deepEqual(parseQuery(queryFor('a.test', { flags: 0x2800 })), { id: 4711, code: 4 });
});

test('no bytes make it throw', () => {
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = round % 2 === 0 ? randomBytes(round % 300) : queryFor('a.b.test', { options: true });
    if (round % 2 === 1) bytes[(round * 7) % bytes.length] = round & 0xff;
    const read = parseQuery(bytes);
    if ('name' in read) writeAnswer(read, { code: 0, address: null });
    else writeError(read);
  }
});
