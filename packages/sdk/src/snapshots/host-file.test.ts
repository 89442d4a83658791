import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { readFrom, writeTo } from './host-file.ts';

const folder = await mkdtemp(join(tmpdir(), 'nova-host-file-'));
after(() => rm(folder, { recursive: true }));

async function* pieces(...texts: (string | Error)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

test('a file holds what was written, for its owner alone, and can be read again', async () => {
  const path = join(folder, 'file');
  await writeTo(path, pieces('one', 'two'), undefined);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const read: Uint8Array[] = [];
  for await (const part of readFrom(path)) read.push(part);
  assert.equal(Buffer.concat(read).toString(), 'onetwo');
});

test('a failure leaves the older file and no other', async () => {
  const path = join(folder, 'kept');
  await writeFile(path, 'old');
  await assert.rejects(writeTo(path, pieces('new', new Error('broke off')), undefined), /broke off/);
  assert.equal(await readFile(path, 'utf8'), 'old');
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith('.part')),
    [],
  );
});

test('errors of the host are errors with a code', async () => {
  await assert.rejects(writeTo(join(folder, 'none/file'), pieces('x'), undefined), { code: 'file_not_found' });
  await assert.rejects(writeTo(folder, pieces('x'), undefined), { code: 'is_a_directory' });
  const missing = readFrom(join(folder, 'missing'));
  await assert.rejects(missing.next(), { code: 'file_not_found' });
});

test('a device is written to as it is, and a stream is left open', async () => {
  await writeTo('/dev/null', pieces('x'), undefined);
  assert.ok((await stat('/dev/null')).isCharacterDevice());
  const stream = new PassThrough();
  await writeTo(stream, pieces('one'), undefined);
  assert.equal(String(stream.read()), 'one');
  assert.equal(stream.writableEnded, false);
  await assert.rejects(writeTo(stream, pieces('two'), AbortSignal.abort()), { name: 'AbortError' });
});
