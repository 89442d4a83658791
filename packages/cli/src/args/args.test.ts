import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCopyPath } from './copy-path.ts';
import { parseDrive } from './drive.ts';
import { parseDuration } from './duration.ts';
import { parseEnvFile, parseLabel, parseVariable } from './key-value.ts';
import { parseMemorySize } from './memory-size.ts';
import { parsePortMapping } from './port-mapping.ts';
import { parseWholeNumber } from './whole-number.ts';

function accepts<T>(parse: (text: string) => T, cases: Readonly<Record<string, T>>): void {
  for (const [text, value] of Object.entries(cases)) assert.deepEqual(parse(text), value, text);
}

function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) assert.throws(() => parse(text), { code: 'commander.invalidArgument' }, text);
}

test('memory sizes are MiB unless they say otherwise', () => {
  accepts(parseMemorySize, {
    '512': 512,
    '512m': 512,
    '512M': 512,
    '2g': 2048,
    '2GiB': 2048,
    '1.5g': 1536,
    '2048k': 2,
    '1t': 1_048_576,
  });
  refuses(parseMemorySize, ['', 'much', '-5', '1.5', '1k', '2x', '0x10', '1e3', '2 g g']);
});

test('durations are milliseconds unless they say otherwise', () => {
  accepts(parseDuration, {
    '0': 0,
    '500': 500,
    '500ms': 500,
    '30s': 30_000,
    '1.5s': 1500,
    '5m': 300_000,
    '2h': 7_200_000,
    '1d': 86_400_000,
    '1h30m': 5_400_000,
  });
  refuses(parseDuration, ['', 'soon', '-5s', '5 minutes', '1h30', 's', '5y', '1e3']);
});

test('labels and variables add up; a bare name takes our own value', () => {
  assert.deepEqual(parseLabel('a=b=c', { x: 'y' }), { x: 'y', a: 'b=c' });
  assert.deepEqual(parseVariable('A='), { A: '' });
  process.env['NOVA_TEST_VARIABLE'] = 'mine';
  assert.deepEqual(parseVariable('NOVA_TEST_VARIABLE'), { NOVA_TEST_VARIABLE: 'mine' });
  delete process.env['NOVA_TEST_VARIABLE'];
  assert.deepEqual(parseVariable('NOVA_TEST_VARIABLE', { A: 'b' }), { A: 'b' });
  refuses(parseLabel, ['', '=b', 'a']);
  refuses(parseVariable, ['', '=b']);
});

test('environment files have one variable a line, and comments', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nova-env-'));
  try {
    const file = join(directory, '.env');
    writeFileSync(file, '# comment\n\nA=1\r\nB=x y\n');
    assert.deepEqual(parseEnvFile(file), { A: '1', B: 'x y' });
    refuses(parseEnvFile, [join(directory, 'missing')]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('ports map host to guest', () => {
  accepts(parsePortMapping, {
    '8080:80': { hostPort: 8080, guestPort: 80 },
    '8080': { hostPort: 8080, guestPort: 8080 },
  });
  refuses(parsePortMapping, ['', ':80', '80:', '0:80', '80:70000', '1:2:3', 'a:b', '-1:5']);
});

test('drives name image, place and kind', () => {
  assert.deepEqual(parseDrive('/a.img:/data'), [{ path: '/a.img', mountPath: '/data', readOnly: true }]);
  assert.deepEqual(parseDrive('/a.img:/data:rw:erofs', [{}]).at(-1), {
    path: '/a.img',
    mountPath: '/data',
    readOnly: false,
    fsType: 'erofs',
  });
  refuses(parseDrive, ['', '/a.img', '/a.img:data', '/a.img:/data:ext3']);
});

test('whole numbers have neither sign nor fraction', () => {
  accepts(parseWholeNumber, { '0': 0, '12': 12 });
  refuses(parseWholeNumber, ['', '-1', '1.5', 'x', '1e3', '99999999999999999999']);
});

test('a copy path is of the host, a sandbox or a stream', () => {
  assert.deepEqual(parseCopyPath('-'), { kind: 'stream' });
  assert.deepEqual(parseCopyPath('box:/tmp/a:b'), { kind: 'sandbox', ref: 'box', path: '/tmp/a:b' });
  for (const path of ['file', './with:colon', '/abs:olute', '../x', 'dir/with:colon']) {
    assert.deepEqual(parseCopyPath(path), { kind: 'host', path });
  }
  assert.throws(() => parseCopyPath('box:'), { name: 'UsageError' });
});
