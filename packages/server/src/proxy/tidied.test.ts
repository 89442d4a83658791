import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { BadHead } from './response-head.ts';
import { Tidied } from './tidied.ts';

const limit = 1000;

test('what has come before the end of a connection is read after it, by a slow reader too', async () => {
  const [ours, theirs] = duplexPair();
  const tidied = new Tidied(ours, limit);
  tidied.end();
  const closed = once(ours, 'close');
  theirs.resume();
  theirs.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\n\n'), Buffer.alloc(30_000, 'x')]));
  await closed;
  assert.equal(tidied.destroyed, false);
  let length = 0;
  for await (const chunk of tidied) length += (chunk as Buffer).length;
  assert.equal(length, 'HTTP/1.0 200 OK\r\n\r\n'.length + 30_000);
});

test('one that breaks off, or has no end of headers or of announcements, is destroyed', async () => {
  for (const [say, expected] of [
    ['', null],
    ['SSH-2.0-OpenSSH_9.2\r\n', BadHead],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(limit)}`, BadHead],
    ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(100), BadHead],
  ] as const) {
    const [ours, theirs] = duplexPair();
    const tidied = new Tidied(ours, limit);
    let error: Error | null = null;
    tidied.on('error', (why) => (error = why));
    const closed = once(tidied, 'close');
    tidied.resume();
    if (say === '') ours.destroy();
    else theirs.write(say);
    await closed.catch(() => undefined);
    if (expected === null) assert.equal(error, null);
    else assert.ok((error as Error | null) instanceof expected, say.slice(0, 20));
    assert.equal(ours.destroyed, true);
  }
});
