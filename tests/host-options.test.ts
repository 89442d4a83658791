import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

const nova = join(import.meta.dirname, '../nova');
const folder = mkdtempSync(join(tmpdir(), 'nova-hostile-'));
// Users of VMMs pass through.
chmodSync(folder, 0o711);
after(() => rmSync(folder, { recursive: true }));

/** A project whose code Node would run if it treated arguments of ours as its own options. */
const project = join(folder, 'project');
const marker = join(folder, 'ran-on-the-host');
mkdirSync(project);
const code = join(project, 'code.cjs');
writeFileSync(code, `require('node:fs').writeFileSync(${JSON.stringify(marker)}, '')\n`);
writeFileSync(join(project, 'env'), `NODE_OPTIONS=--require=${code}\n`);
for (const name of ['.env', '.npmrc']) writeFileSync(join(project, name), `NODE_OPTIONS=--require=${code}\n`);
writeFileSync(join(project, 'node.config.json'), JSON.stringify({ nodeOptions: { require: [code] } }));

const run = (words: readonly string[]) =>
  spawnSync(nova, words, {
    cwd: project,
    encoding: 'utf8',
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      NOVA_HOME: join(folder, 'home'),
      NOVA_NO_SETUP: '1',
      NOVA_EMBEDDED: '1',
    },
  });

test('no word of a command line makes the Node of the host run code of the current folder', () => {
  const words = [
    ['--env-file', 'env'],
    ['--env-file=env'],
    ['--env-file-if-exists', 'env'],
    ['--env-file-if-exists=env'],
    ['--experimental-config-file', 'node.config.json'],
    ['--experimental-config-file=node.config.json'],
    ['--experimental-default-config-file'],
    ['--require', './code.cjs'],
    ['--import=./code.cjs'],
  ];
  for (const hostile of words) {
    for (const argv of [
      ['exec', ...hostile, 'nobody', '--', 'true'],
      ['exec', 'nobody', '--', 'node', ...hostile],
      ['--version', ...hostile],
      hostile,
    ]) {
      const { status, error } = run(argv);
      assert.equal(error, undefined);
      assert.ok(!existsSync(marker), argv.join(' '));
      assert.notEqual(status, null);
    }
  }
});

test('what is meant for us still reaches us, word for word', () => {
  assert.equal(run(['--version']).status, 0);
  const missing = run(['exec', '--env-file', 'no such file', 'nobody', '--', 'true']);
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /no such file/);
  const { status, stderr } = run(['exec', '--env-file', 'env', ':no body:', '--', 'true']);
  assert.equal(status, 125);
  assert.match(stderr, /:no body:/);
  assert.match(run(['exec', '']).stderr, /missing required argument 'command'/);
});
