import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verbs } from './verbs.ts';
import { version } from './version.ts';

const main = join(import.meta.dirname, 'main.ts');

function nova(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, ...argv],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

test('the version is that of the package', () => {
  const { version: packaged } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(version, packaged);
  assert.deepEqual(nova('--version'), { status: 0, stdout: `${version}\n`, stderr: '' });
});

test('help lists every verb', () => {
  for (const argv of [[], ['--help'], ['help']]) {
    const { status, stdout, stderr } = nova(...argv);
    assert.equal(status, 0);
    assert.equal(stderr, '');
    for (const [name, { hidden = false }] of Object.entries(verbs)) {
      assert.equal(new RegExp(`^  ${name} +\\S`, 'm').test(stdout), !hidden, name);
    }
  }
});

test('every verb has help with an example', () => {
  for (const [name, { hidden = false, alias }] of Object.entries(verbs)) {
    if (hidden) continue;
    const { status, stdout } = nova(name, '--help');
    assert.equal(status, 0, name);
    assert.match(stdout, new RegExp(`^Usage: nova ${name}`), name);
    if (alias !== undefined) assert.equal(nova(alias, '--help').stdout, stdout, alias);
    assert.match(stdout, new RegExp(`Examples?:\\n(.*\\n)*.*nova ${name}`), name);
  }
  assert.equal(nova('help', 'run').stdout, nova('run', '--help').stdout);
});

test('mistakes end with 2 and say what to do', () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['rnu'], /unknown command 'rnu'\n\(Did you mean run\?\)/],
    [['help', 'rnu'], /unknown command 'rnu'\n\(Did you mean run\?\)/],
    [['run', '--nonsense', '--', 'x'], /unknown option '--nonsense'[^]*nova run --help/],
    [['run'], /Say what to run/],
    [['run', '--memory', 'much', '--', 'x'], /Give MiB/],
    [['run', '-v', 'cache', '--', 'x'], /host:\/guest\/path or name:/],
    [['create', '-v', '/nonexistent:/work'], /--volume: \/nonexistent cannot be read/],
    [
      ['serve', '--config', '/nonexistent'],
      /'--config <file>' argument '\/nonexistent' is invalid. There is no such file/,
    ],
    [['config', 'show', '--config', '/nonexistent'], /'--config <file>'/],
    [['run', '-d', '-t', '--', 'x'], /--detach does not go with/],
    [['exec', 'box'], /missing required argument 'command'/],
    [['cp', 'a', 'b'], /One side must be in a sandbox/],
    [['cp', 'a', 'box:/b', 'c'], /One side must be in a sandbox/],
    [['cp', 'a', '-', 'box:/b'], /Several sources can be neither read from stdin/],
    [['logs', '--stderr', 'box'], /--stdout and --stderr are for --exec/],
    [['logs', '--exec', '7', '--vmm', 'box'], /--exec goes with neither/],
    [['logs', '--exec', 'seven', 'box'], /Give a whole number/],
    [['attach', '--detach-keys', 'ctrl-1', 'box'], /Give keys such as/],
    [['ps', '--owner', 'user:ann', 'box'], /are for lists of sandboxes/],
    [['rename', 'box'], /missing required argument 'name'/],
    [['fork', 'box', '--count', '2', '-it', '--', 'sh'], /--interactive and --tty are for one child/],
    [['fork', 'box', '--keep'], /--keep are for a command/],
    [['create', '--disk-only'], /--disk-only is for --snapshot/],
    [['snapshot', 'save', '--json', 'x', '-'], /--json does not go with -/],
    [['snapshot', 'prune'], /required option '--older <time>' not specified/],
    [['snapshot', 'prune', '--older', '1d'], /There is no terminal to ask at/],
    [['prune'], /There is no terminal to ask at/],
    [['cp', 'a'], /Say what to copy, and where to/],
    [['template', 'bild'], /unknown command 'bild'/],
    [['completion', 'csh'], /Allowed choices are bash, zsh, fish/],
  ];
  for (const [argv, message] of cases) {
    const { status, stdout, stderr } = nova(...argv);
    assert.equal(status, 2, `${argv.join(' ')}: ${stderr}`);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});

test('help and version need neither the engine nor zod', () => {
  const { stdout } = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--import',
      `data:text/javascript,import{registerHooks}from'node:module';registerHooks({load(u,c,n){if(/zod|packages.(engine|protocol.src.(?!visible.ts|own-hypervisors.ts|config.fields?.ts)|sdk)/.test(u))console.log('LOADED',u);return n(u,c)}})`,
      main,
      'run',
      '--help',
    ],
    { encoding: 'utf8' },
  );
  assert.doesNotMatch(stdout, /LOADED/);
  assert.match(stdout, /Usage: nova run/);
});

test('completion scripts are valid for their shells', () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = nova('completion', shell);
    const check = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    // A shell that is not installed cannot be asked.
    if (check.error === undefined) assert.equal(check.stderr, '', shell);
  }
});

test('a daemon can be named before the verb and after it', () => {
  const at = ['--api-url', 'http://127.0.0.1:1'];
  for (const argv of [
    [...at, 'ls'],
    ['ls', ...at],
    ['template', 'ls', ...at],
    [`${at.join('=')}`, 'inspect', 'box'],
  ]) {
    const { status, stderr } = nova(...argv);
    assert.equal(status, 1, argv.join(' '));
    assert.match(stderr, /The daemon at http:\/\/127\.0\.0\.1:1 cannot be reached/, argv.join(' '));
  }
  for (const argv of [
    ['--embedded', ...at, 'ls'],
    ['--embedded', 'ls', ...at],
  ]) {
    const { status, stderr } = nova(...argv);
    assert.deepEqual([status, stderr], [2, 'nova: --embedded does not go with --api-url.\n']);
  }
  assert.match(nova('run', '--api-url', 'nonsense', '--', 'true').stderr, /is not of the form http/);
});

test('what is wrong with a value is told of the option, or the variable, that it came from', () => {
  const create = ['--api-url', 'http://127.0.0.1:1', 'create'];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[...create, '--memory', '0'], /^nova: --memory: Too small/],
    [[...create, '--name', '..', '--max-processes', '1'], /^nova: --name: must [^]*; --max-processes: Too small/],
    [[...create, '-e', '=1'], /option '-e, --env <NAME=value>'/],
    [[...create, '--label', `${'k'.repeat(300)}=v`], /^nova: --label k+/],
    [['config', 'show', '--host', ''], /^nova: --host: /],
    [['setup', 'firecracker', '--version', '../x'], /^nova: --version: "..\/x" is no version/],
    [['setup', 'firecracker', '--sha256', 'abc'], /^nova: --sha256: must be/],
    [[...create, '-p', '80', '--no-network'], /^nova: --port does not go with --no-network/],
    [['ls', '--api-url', 'nonsense'], /^nova: --api-url: "nonsense" is not of the form/],
    [[...create.slice(0, 2), '--api-key', 'a b', 'ls'], /--api-key: must be printable/],
    [['run', '--api-url', 'http://127.0.0.1:1', '--vcpus', '0', '--', 'true'], /^nova: --vcpus: Too small/],
  ];
  for (const [argv, message] of cases) {
    const { status, stderr } = nova(...argv);
    assert.match(stderr, message);
    assert.equal(status, 2, `${argv.join(' ')}: ${stderr}`);
  }
  assert.match(nova(...create, '--drive', '/x:/y').stderr, /^nova: --drive does not work over a daemon/);
  const env = { ...process.env, NOVA_API_URL: 'nonsense' };
  const { status, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'ls'], {
    env,
    encoding: 'utf8',
  });
  assert.deepEqual(
    [status, stderr.split('\n')[0]],
    [1, 'nova: NOVA_API_URL: "nonsense" is not of the form http://host:port.'],
  );
});
