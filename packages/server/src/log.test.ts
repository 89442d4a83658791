import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { blotted, safeForTerminals, withoutFail } from './log.ts';

test('what is named like a secret is blotted out, a field and a level below; the rest of a line is as it was', () => {
  const line = { operation: 'execute', status: 200, event: { process_id: 1 } };
  assert.equal(blotted(line), line);
  const held = {
    operation: 'x',
    token: 'secret-1',
    event: { id: 1, environment: { A: 'secret-2' } },
    key: ['secret-3'],
  };
  assert.deepEqual(blotted(held), {
    operation: 'x',
    token: '[redacted]',
    event: { id: 1, environment: '[redacted]' },
    key: '[redacted]',
  });
  assert.equal(held.token, 'secret-1');
});

test('an error that carries a secret is logged as an error, without it', () => {
  const out = new PassThrough();
  const log = pino({ formatters: { log: blotted } }, out);
  log.error({ err: Object.assign(new Error('it failed'), { password: 'secret-4', code: 'EX' }) }, 'said');
  const said = String(out.read());
  const { err } = JSON.parse(said) as { err: Record<string, string> };
  assert.deepEqual([err['message'], err['code'], err['password']], ['it failed', 'EX', '[redacted]']);
  assert.match(err['stack'] ?? '', /log\.test/);
  assert.ok(!said.includes('secret-4'));
});

test('a line does not act on the terminal where it is read', () => {
  const out = new PassThrough();
  const log = pino({}, safeForTerminals(out));
  log.warn({ err: new Error('a guest says \x9b2J \u202etxt') }, 'a\x1b[2J\x9d');
  const said = String(out.read());
  assert.doesNotMatch(said, /[\x7f-\x9f\u202e]/);
  assert.equal((JSON.parse(said) as { err: { message: string } }).err.message, 'a guest says \x9b2J \u202etxt');
});

test('a log on a full disk ends nothing', { skip: !existsSync('/dev/full') }, async () => {
  const destination = withoutFail(pino.destination({ dest: '/dev/full', sync: false }));
  const failed = once(destination, 'error');
  pino(destination).info('lost');
  const [error] = (await failed) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ENOSPC');
});
