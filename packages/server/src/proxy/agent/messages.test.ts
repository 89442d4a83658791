import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { createByteBudget } from '../../bodies/byte-budget.ts';
import { judgedMessages } from './messages.ts';

const unary = 'application/json';
const streamed = 'application/connect+json';
const envelope = (text: string): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
};

async function judged(type: string, chunks: readonly Uint8Array[], total = 1e9): Promise<number> {
  const held = createByteBudget(total).hold('box');
  let bytes = 0;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield* chunks;
  };
  for await (const chunk of judgedMessages(source(), type, held)) bytes += chunk.length;
  return bytes;
}
const refused = (code: Code, judging: Promise<number>): Promise<void> =>
  assert.rejects(judging, (error) => error instanceof ConnectError && error.code === code);

test('messages of calls are judged as they arrive, wherever their bytes are cut', async () => {
  const bomb = '['.repeat(100);
  await refused(Code.InvalidArgument, judged(unary, [Buffer.from(bomb)]));
  await refused(Code.InvalidArgument, judged(streamed, [envelope('{}'), envelope(bomb)]));
  const many = Buffer.concat(Array.from({ length: 100 }, () => envelope(`{"a":[${'1,'.repeat(400)}1]}`)));
  const bytes = Array.from(many, (byte) => Uint8Array.of(byte));
  // Each message is counted on its own, and the bytes of the lengths are not counted.
  assert.equal(await judged(streamed, bytes), many.length);
  assert.equal(await judged(streamed, [many]), many.length);
  await refused(Code.ResourceExhausted, judged('application/proto', [Buffer.alloc(2 ** 20), Buffer.alloc(1)]));
  await refused(Code.ResourceExhausted, judged('application/connect+proto', [envelope('x'.repeat(2 ** 20 + 1))]));
});

test('what is held of a stream is one message', async () => {
  const messages = Array.from({ length: 50 }, () => envelope(`"${'x'.repeat(400)}"`));
  await judged(streamed, messages, 1000);
  await refused(Code.ResourceExhausted, judged(streamed, [envelope(`"${'x'.repeat(600)}"`)], 1000));
  await refused(Code.ResourceExhausted, judged(unary, messages, 1000));
});
