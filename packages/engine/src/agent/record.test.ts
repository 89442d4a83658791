import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { Fields, RecordWriter } from './record.ts';

const isProtocolError = (error: unknown): boolean => isNovaError(error, 'guest_protocol_error');
const isInvalid = (error: unknown): boolean => isNovaError(error, 'invalid_argument');

function field(tag: number, bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = tag;
  head.writeUInt32LE(length, 1);
  return Buffer.concat([head, bytes]);
}

function unsigned(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

test('what is written is read', () => {
  const bytes = new RecordWriter()
    .integer(1, 42)
    .integer(2, 0xffff_ffff_ffff_fffen)
    .integerOrNever(3, null)
    .flag(4, true)
    .flag(5, false)
    .string(6, 'grüße')
    .strings(7, ['a', '', 'c'])
    .bytes(8, Buffer.from([0, 255]))
    .environment(9, { A: '1', B: '' })
    .record(10, new RecordWriter().string(1, 'inner'))
    .record(10, new RecordWriter().string(1, 'x'.repeat(1000)))
    .integer(11, undefined)
    .finish();
  const fields = new Fields(bytes);
  assert.equal(fields.integer(1), 42);
  assert.equal(fields.bigint(2), 0xffff_ffff_ffff_fffen);
  assert.equal(fields.integerOrNever(3), null);
  assert.equal(fields.integerOrNever(1), 42);
  assert.equal(fields.flag(4), true);
  assert.equal(fields.flag(5), false);
  assert.equal(fields.string(6), 'grüße');
  assert.deepEqual(fields.strings(7), ['a', '', 'c']);
  assert.deepEqual([...fields.bytes(8)], [0, 255]);
  assert.deepEqual(fields.strings(9), ['A=1', 'B=']);
  assert.equal(fields.record(10)?.string(1), 'inner');
  assert.deepEqual(
    fields.records(10, 2).map((record) => record.string(1).length),
    [5, 1000],
  );
  assert.equal(fields.byteLength, bytes.length);
});

test('a record is tag, u32 length and bytes', () => {
  const bytes = new RecordWriter().string(6, 'ab').integer(1, 258).finish();
  assert.deepEqual([...bytes], [6, 2, 0, 0, 0, 0x61, 0x62, 1, 8, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
});

test('what is missing is 0, empty or false', () => {
  const fields = new Fields(Buffer.alloc(0));
  assert.equal(fields.integer(1), 0);
  assert.equal(fields.bigint(1), 0n);
  assert.equal(fields.string(1), '');
  assert.equal(fields.bytes(1).length, 0);
  assert.equal(fields.flag(1), false);
  assert.deepEqual(fields.strings(1), []);
  assert.deepEqual(fields.records(1, 0), []);
  assert.equal(fields.record(1), null);
  assert.throws(() => fields.requiredRecord(1), isProtocolError);
});

test('records that lie about their lengths are protocol errors', () => {
  for (const bytes of [
    Buffer.from([1]),
    Buffer.from([1, 0, 0, 0]),
    field(1, Buffer.from('abc'), 4),
    field(1, Buffer.from('abc'), 0xffff_ffff),
    Buffer.concat([field(1, Buffer.from('abc')), Buffer.from([9, 9])]),
  ]) {
    assert.throws(() => new Fields(bytes), isProtocolError);
  }
  const lyingInside = new Fields(field(1, field(1, Buffer.from('abc'), 9)));
  assert.throws(() => lyingInside.record(1), isProtocolError);
  assert.throws(() => lyingInside.records(1, 9), isProtocolError);
});

test('numbers that do not fit are protocol errors, except where a bigint is asked for', () => {
  const fields = new Fields(
    Buffer.concat([
      field(1, unsigned(2n ** 53n)),
      field(2, unsigned(2n ** 53n - 1n)),
      field(3, unsigned(2n ** 64n - 1n)),
      field(4, Buffer.alloc(4)),
      field(5, Buffer.alloc(9)),
    ]),
  );
  assert.throws(() => fields.integer(1), isProtocolError);
  assert.equal(fields.integer(2), Number.MAX_SAFE_INTEGER);
  assert.throws(() => fields.integer(3), isProtocolError);
  assert.equal(fields.bigint(3), 2n ** 64n - 1n);
  assert.throws(() => fields.integer(4), isProtocolError);
  assert.throws(() => fields.bigint(5), isProtocolError);
  assert.throws(() => fields.flag(4), isProtocolError);
  assert.throws(() => fields.integerUpTo(2, 1000), isProtocolError);
});

test('records nested too deep are protocol errors', () => {
  let bytes: Buffer = Buffer.alloc(0);
  for (let depth = 0; depth < 20; depth++) bytes = field(1, bytes);
  const descend = (): void => {
    for (let fields: Fields | null = new Fields(bytes); fields !== null;) fields = fields.record(1);
  };
  assert.throws(descend, isProtocolError);
});

test('a list longer than it may be is a protocol error', () => {
  const fields = new Fields(Buffer.concat([field(1, Buffer.alloc(0)), field(1, Buffer.alloc(0))]));
  assert.equal(fields.records(1, 2).length, 2);
  assert.throws(() => fields.records(1, 1), isProtocolError);
});

test('bytes that are no UTF-8 are replaced, not thrown at', () => {
  const fields = new Fields(Buffer.concat([field(1, Buffer.from([0x61, 0xff, 0xfe])), field(2, Buffer.from([0xc3]))]));
  assert.equal(fields.string(1), 'a\ufffd\ufffd');
  assert.deepEqual(fields.strings(2), ['\ufffd']);
});

test('what cannot be sent is an invalid argument', () => {
  const writer = new RecordWriter();
  assert.throws(() => writer.integer(1, -1), isInvalid);
  assert.throws(() => writer.integer(1, 1.5), isInvalid);
  assert.throws(() => writer.integer(1, Number.NaN), isInvalid);
  assert.throws(() => writer.integer(1, 2 ** 53), isInvalid);
  assert.throws(() => writer.integer(1, -1n), isInvalid);
  assert.throws(() => writer.integer(1, 2n ** 64n), isInvalid);
  assert.throws(() => writer.string(1, 'a\0b'), isInvalid);
  assert.throws(() => writer.strings(1, ['ok', 'a\0b']), isInvalid);
  assert.throws(() => writer.environment(1, { 'A=B': 'c' }), isInvalid);
  assert.throws(() => writer.environment(1, { '': 'c' }), isInvalid);
  assert.equal(writer.finish().length, field(1, Buffer.from('ok')).length, 'only the whole field was written');
});
