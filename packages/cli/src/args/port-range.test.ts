import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePortRange } from './port-range.ts';

const shown = (text: string): string =>
  parsePortRange(text)
    .map(({ hostPort, guestPort }) => `${hostPort}:${guestPort}`)
    .join(' ');

test('one port, a pair, and ranges of the same length', () => {
  assert.equal(shown('8080'), '8080:8080');
  assert.equal(shown('8080:80'), '8080:80');
  assert.equal(shown('8000-8002'), '8000:8000 8001:8001 8002:8002');
  assert.equal(shown('8000-8001:65534-65535'), '8000:65534 8001:65535');
});

test('everything else is refused', () => {
  for (const text of ['', 'x', '0', '65536', '1-2:3', '2-1', '1-2:3-5', '1-2-3', '1:2:3', '1-65:1-65', '-1', '8000-'])
    assert.throws(() => parsePortRange(text), { code: 'commander.invalidArgument' }, text);
});
