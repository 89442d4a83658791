import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCopyPath } from './copy-path.ts';
import { parseDrive } from './drive.ts';
import { parseDuration } from './duration.ts';
import { parseEnvFile } from './env-file.ts';
import { parseKeyFile } from './key-file.ts';
import { parseLabel, parseVariable } from './key-value.ts';
import { parseMemorySize } from './memory-size.ts';
import { parsePortMapping } from './port-mapping.ts';
import { parseRateLimit } from './rate-limit.ts';
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

function withFile(content: string | Uint8Array, work: (file: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'nova-file-'));
  try {
    const file = join(directory, 'file');
    writeFileSync(file, content);
    work(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('environment files are read as dotenv files are, without expanding anything', () => {
  const cases: [string, Record<string, string>][] = [
    ['# comment\n\n  # another\nA=1\r\nB=x y\n', { A: '1', B: 'x y' }],
    ['export C=3\n  export\tD = 4 ', { C: '3', D: '4' }],
    ['A="two\nlines"\nB=1', { A: 'two\nlines', B: '1' }],
    [String.raw`A="a\nb\"c\\d\x"` + '\n' + String.raw`B='a\nb'`, { A: 'a\nb"c\\d\\x', B: String.raw`a\nb` }],
    [
      'A=\'x # y\' # comment\nB=a # comment\nC=a#b\nD=#\nE=\nF="#"',
      { A: 'x # y', B: 'a', C: 'a#b', D: '', E: '', F: '#' },
    ],
    ['A=$HOME ${HOME} `id` $(id)', { A: '$HOME ${HOME} `id` $(id)' }],
    ['A=1\nA=2\nB.c-d=a=b', { A: '2', 'B.c-d': 'a=b' }],
    ['\u{feff}A=1', { A: '1' }],
    ['', {}],
    ['\n#', {}],
  ];
  for (const [content, pairs] of cases)
    withFile(content, (file) => assert.deepEqual(parseEnvFile(file), pairs, content));
  withFile('B=2', (file) => assert.deepEqual(parseEnvFile(file, { A: '1', B: '1' }), { A: '1', B: '2' }));
});

test('an environment file cannot ask for our own variables, and what is no assignment is told with its line', () => {
  process.env['NOVA_TEST_VARIABLE'] = 'secret';
  const cases: [string | Uint8Array, RegExp][] = [
    ['A=1\nNOVA_TEST_VARIABLE\n', /Line 2 has a name and no value/],
    ['export NOVA_TEST_VARIABLE', /Line 1 has a name and no value/],
    ['A="x\ny"\n\nB="unterminated\n', /Line 4 is not NAME=value/],
    ["A='x'y", /Line 1/],
    ['A=  "x" y', /Line 1/],
    ['=1', /Line 1/],
    ['two words=1', /Line 1/],
    [Buffer.from([0x41, 0x3d, 0xff]), /cannot be read/],
    [Buffer.alloc((1 << 20) + 1, 'A'), /larger than 1048576 bytes/],
  ];
  for (const [content, message] of cases)
    withFile(content, (file) =>
      assert.throws(() => parseEnvFile(file), { code: 'commander.invalidArgument', message }),
    );
  delete process.env['NOVA_TEST_VARIABLE'];
  refuses(parseEnvFile, ['/no/such/file', '/dev/zero', '/']);
});

test('a key file holds one key', () => {
  withFile('nova_0123\n', (file) => assert.equal(parseKeyFile(file), 'nova_0123'));
  for (const content of ['', '\n', 'nova_1\nnova_2\n', 'x'.repeat(20_000)])
    withFile(content, (file) => refuses(parseKeyFile, [file]));
  refuses(parseKeyFile, ['/no/such/file']);
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

test('rates are bytes or operations in a second, of a device', () => {
  accepts(parseRateLimit, {
    'disk=20m': { disk: { bytesPerSecond: 20 * 1024 * 1024 } },
    'network=500ops': { network: { operationsPerSecond: 500 } },
    'network=1.5k,2OPS': { network: { bytesPerSecond: 1536, operationsPerSecond: 2 } },
  });
  const disk = { disk: { operationsPerSecond: 1 } };
  assert.deepEqual(parseRateLimit('network=70000', disk), { ...disk, network: { bytesPerSecond: 70_000 } });
  refuses(
    (text) => parseRateLimit(text),
    ['', 'disk', 'disk=', 'disk=fast', 'cpu=1m', 'disk=1m,2m', 'disk=1=2', 'disk=0.1'],
  );
});
