import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentPort } from '../agent-port.ts';
import { targetOf } from './target.ts';

const to = (headers: Record<string, string>, url = '/', domain = 'localhost') =>
  targetOf({ url, rawHeaders: Object.entries(headers).flat() }, domain);
const port = (sandboxId: string, number: number) => ({ kind: 'port', sandboxId, port: number });

test('hosts lead to ports', () => {
  assert.deepEqual(to({ Host: '3000-abcd1234.localhost:8000' }), port('abcd1234', 3000));
  assert.deepEqual(to({ host: '80-abcd1234.LOCALHOST' }), port('abcd1234', 80));
  assert.deepEqual(to({ host: '80-abcd.sand.example.org' }, '/', 'sand.example.org:443'), port('abcd', 80));
  assert.equal(to({ host: 'localhost:8000' }), null);
  assert.equal(to({ host: '3000-abcd1234.example.org' }), null);
  assert.equal(to({ host: '3000-abcd1234.x.localhost' }), null);
});

test('headers are believed on addresses alone', () => {
  const named = { 'E2b-Sandbox-Id': 'abcd1234', 'E2b-Sandbox-Port': '3000' };
  for (const host of ['127.0.0.1:8000', 'localhost', '[::1]:80', '10.0.0.1', 'sandbox.example.org'])
    assert.deepEqual(to({ host, ...named }), port('abcd1234', 3000), host);
  for (const host of ['evil.example.org', 'xsandbox.example.org', '', 'localhost.evil.org', '127.0.0.1.evil.org'])
    assert.equal(to({ host, ...named }), null, host);
  assert.deepEqual(to({ host: '127.0.0.1', 'e2b-sandbox-id': 'abcd1234' }), port('abcd1234', agentPort));
  assert.deepEqual(to({ host: '80-aaaa.localhost', ...named }), port('aaaa', 80));
});

test('signed URLs need no name', () => {
  assert.deepEqual(to({ host: '127.0.0.1' }, '/files?path=a&signature=v1_x'), { kind: 'signed' });
  assert.equal(to({ host: '127.0.0.1' }, '/files?path=a'), null);
  assert.equal(to({ host: '127.0.0.1' }, '/filesx?signature=v1_x'), null);
});

test('what can be understood in two ways is refused', () => {
  const refused = (rawHeaders: string[]) => targetOf({ url: '/', rawHeaders }, 'localhost')?.kind;
  assert.equal(refused(['Host', '80-aaaa.localhost', 'Host', 'b']), 'refused');
  assert.equal(refused(['Host', '1.2.3.4', 'Host', 'b', 'E2b-Sandbox-Id', 'aaaa']), 'refused');
  assert.equal(refused(['Host', '1.2.3.4', 'E2b-Sandbox-Id', 'aaaa', 'e2b-sandbox-id', 'bbbb']), 'refused');
  for (const bad of ['0', '65536', '-1', '1e3', '', '3000 ', '0x50'])
    assert.equal(refused(['Host', '1.2.3.4', 'E2b-Sandbox-Id', 'aaaa', 'E2b-Sandbox-Port', bad]), 'refused', bad);
  for (const bad of ['', 'A', '../x', 'aa', 'a'.repeat(41), 'aaaa bbbb', 'name-1'])
    assert.equal(refused(['Host', '1.2.3.4', 'E2b-Sandbox-Id', bad]), 'refused', bad);
});

test('no host or header makes it fail or leads past the rules', () => {
  const pieces = [
    '80',
    '-',
    'abcd1234',
    '.',
    'localhost',
    ':',
    '@',
    '%00',
    '\0',
    '/',
    '[',
    ']',
    '::1',
    ' ',
    'ä',
    '127.0.0.1',
    '99999',
    '\t',
  ];
  let seed = 42;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return seed % below;
  };
  const word = (): string => Array.from({ length: random(7) }, () => pieces[random(pieces.length)]).join('');
  for (let round = 0; round < 20_000; round++) {
    const rawHeaders = ['Host', word(), 'E2b-Sandbox-Id', word(), 'E2b-Sandbox-Port', word()].slice(
      0,
      2 * (1 + random(3)),
    );
    const target = targetOf({ url: word(), rawHeaders }, 'localhost');
    if (target?.kind !== 'port') continue;
    assert.match(target.sandboxId, /^[a-z0-9]{4,40}$/);
    assert.ok(target.port >= 1 && target.port <= 65_535);
  }
});
