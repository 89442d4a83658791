import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, cpSync, existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { verbs } from '../packages/cli/src/verbs.ts';
import { version } from '../packages/cli/src/version.ts';
import { eventually } from './support/eventually.ts';

const repository = join(import.meta.dirname, '..');

const npmSome =
  'npm ci --omit=dev --omit=optional --workspace=novasandbox --include-workspace-root --no-audit --no-fund --loglevel=error';
const npmAll = 'npm ci --no-audit --no-fund --loglevel=error';

/** Tools that the script expects on any machine. */
const coreTools = [
  'bash',
  'cat',
  'chmod',
  'cksum',
  'env',
  'flock',
  'grep',
  'head',
  'mkdir',
  'mv',
  'readlink',
  'rm',
  'sed',
  'sha512sum',
  'sleep',
  'tail',
  'tr',
  'uname',
];

interface StartOptions {
  readonly cwd?: string;
  readonly script?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * A checkout with the script, a state folder, and a PATH that contains only the core tools and the programs of a test.
 */
class Machine implements AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly programs: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.root = join(folder, 'a checkout');
    this.home = join(folder, 'a home');
    this.programs = join(folder, 'bin');
  }

  static async make(): Promise<Machine> {
    const machine = new Machine(await mkdtemp(join(tmpdir(), 'nova-script-')));
    await mkdir(machine.root, { recursive: true });
    await mkdir(machine.programs);
    for (const part of ['nova', 'deploy', 'package.json', 'packages/cli/src/verbs.ts'])
      cpSync(join(repository, part), join(machine.root, part), { recursive: true });
    await writeFile(join(machine.root, 'package-lock.json'), '{}');
    for (const tool of coreTools) await symlink(findTool(tool), join(machine.programs, tool));
    await machine.program('npm', 'echo "npm $*" >> calls; mkdir -p node_modules');
    return machine;
  }

  async program(name: string, script: string): Promise<void> {
    await writeFile(join(this.programs, name), `#!${findTool('bash')}\n${script}\n`, { mode: 0o755 });
  }

  /** Makes the folder look like the package as npm installs it. */
  async install(): Promise<void> {
    await rm(join(this.root, 'package-lock.json'));
    for (const folder of ['dist/cli', 'guest/agent']) await mkdir(join(this.root, folder), { recursive: true });
    await writeFile(join(this.root, 'dist/cli/main.js'), '');
    await writeFile(join(this.root, 'guest/agent/Cargo.toml'), 'rust-version = "1.85"\n');
  }

  /** A Node of that version, which prints its arguments. */
  node(version: string): Promise<void> {
    return this.program(
      'node',
      `case "$1" in --version) echo ${version} ;; -p) echo "$0" ;; *) echo "cwd=$PWD"; printf '<%s>' "\${@:2}"; exit 7 ;; esac`,
    );
  }

  /** The file that says which Rust the agent needs. */
  async guestSources(): Promise<void> {
    await mkdir(join(this.root, 'guest/agent'), { recursive: true });
    await writeFile(join(this.root, 'guest/agent/Cargo.toml'), 'rust-version = "1.85"\n');
  }

  /** The calls of npm so far. */
  async calls(): Promise<string[]> {
    const text = await readFile(join(this.root, 'calls'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: this.programs, HOME: this.#folder, NOVA_HOME: this.home, TERM: 'dumb' };
  }

  start(words: readonly string[], options: StartOptions = {}) {
    const env = { ...this.env, ...options.env };
    // `doctor` does not start a guest; the end-to-end tests check the tools for that.
    return spawn(options.script ?? join(this.root, 'nova'), words, {
      cwd: options.cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async run(words: readonly string[] = ['doctor'], options: StartOptions = {}) {
    const child = this.start(words, options);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function findTool(name: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // It is not in this folder.
    }
  }
  throw new Error(`${name} is not on the PATH`);
}

test('when all is there, the script is Node with the same arguments, directory and exit code', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.run();
  const link = join(machine.home, 'link');
  await symlink(join(machine.root, 'nova'), link);
  const chain = join(machine.home, 'chain');
  await symlink('link', chain);
  for (const script of [join(machine.root, 'nova'), link, chain]) {
    const { code, stdout, stderr } = await machine.run(['--version', 'a  b', ''], { cwd: tmpdir(), script });
    assert.equal(code, 7);
    assert.equal(stderr, '');
    assert.equal(stdout, `cwd=${tmpdir()}\n<--><${machine.root}/packages/cli/src/main.ts><:><:--version><:a  b><:>`);
  }
  assert.deepEqual(await machine.calls(), [npmSome]);
});

test('putting the command into the PATH needs what a client needs, and nothing of a guest', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  const { code, stdout, stderr } = await machine.run(['setup', 'path']);
  assert.deepEqual(
    [code, stdout.split('\n')[1]],
    [7, `<--><${machine.root}/packages/cli/src/main.ts><:><:setup><:path>`],
  );
  assert.doesNotMatch(stderr, /System packages/);
  assert.deepEqual(await machine.calls(), [npmSome]);
});

test('what sandboxes need is installed first, and all when something needs all', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.run();
  await machine.run(['config', 'show']);
  await machine.run();
  assert.deepEqual(await machine.calls(), [npmSome, npmAll]);
  // A user who had all packages, or has installed them without us, needs all of them.
  await writeFile(join(machine.root, 'package-lock.json'), '{ }');
  await utimes(join(machine.root, 'package-lock.json'), new Date(), new Date(Date.now() + 1_000_000));
  await machine.run();
  assert.deepEqual((await machine.calls()).splice(2), [npmAll]);
  await rm(join(machine.root, 'calls'));
  await rm(join(machine.root, 'node_modules/.nova'));
  await writeFile(join(machine.root, 'node_modules/.package-lock.json'), '{}');
  await machine.run();
  assert.deepEqual(await machine.calls(), [npmAll]);
});

test('tools for an agent need all packages, and no guest where a daemon has them or a file alone is written', async () => {
  for (const argv of [
    ['mcp', 'install', 'codex'],
    ['mcp', '--api-url', 'http://127.0.0.1:1'],
  ]) {
    await using machine = await Machine.make();
    await machine.node('v24.1.0');
    const { code, stderr } = await machine.run(argv);
    assert.deepEqual([code, await machine.calls()], [7, [npmAll]], stderr);
    assert.doesNotMatch(stderr, /System packages/);
  }
});

test('an installed package runs what was compiled, and leaves its modules to npm', async () => {
  await using machine = await Machine.make();
  await machine.install();
  await machine.node('v24.1.0');
  const { code, stdout } = await machine.run(['--version']);
  assert.equal(code, 7);
  assert.equal(stdout, `cwd=${process.cwd()}\n<--><${machine.root}/dist/cli/main.js><:><:--version>`);
  assert.deepEqual(await machine.calls(), []);
});

test('an installed package installs nothing unasked; a checkout does', async () => {
  const lacking = /this machine lacks: .*mmdebstrap.* cargo \(>= 1\.85\)/;
  await using machine = await Machine.make();
  await machine.install();
  await machine.node('v24.1.0');
  await machine.program('apt-get', 'echo "apt-get $*" >> "$NOVA_HOME/apt"; exit 1');
  const apt = join(machine.home, 'apt');
  const refused = await machine.run(['run', '--', 'true']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, lacking);
  assert.match(refused.stderr, /-> .*NOVA_YES=1, or with --yes/);
  assert.ok(!existsSync(apt), 'nothing was installed');
  const allowed = await machine.run(['--yes', 'run', '--', 'true']);
  assert.match(allowed.stderr, /the step "apt-lists" failed|there is no sudo/);
  if (process.getuid?.() === 0) assert.match(await readFile(apt, 'utf8'), /apt-get .*update/);
});

test('an installed package tells its verbs without a Node that could', async () => {
  await using machine = await Machine.make();
  await machine.install();
  await machine.node('v20.0.0');
  await writeFile(join(machine.root, 'dist/cli/verbs.js'), "    run: {\n        summary: 'run a command',\n    },\n");
  const { code, stdout } = await machine.run(['--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}run +run a command$/m);
});

test('on a terminal an installed package asks, and takes no for an answer', async () => {
  await using machine = await Machine.make();
  await machine.install();
  await machine.node('v24.1.0');
  await machine.program('apt-get', 'echo "apt-get $*" >> "$NOVA_HOME/apt"; exit 1');
  const answered = async (answer: string): Promise<string> => {
    const terminal = spawn(findTool('script'), ['-qec', `'${join(machine.root, 'nova')}' run -- true`, '/dev/null'], {
      env: machine.env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let said = '';
    terminal.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    terminal.stdin.end(`${answer}\n`);
    await once(terminal, 'close');
    return said;
  };
  const apt = join(machine.home, 'apt');
  const refused = await answered('n');
  assert.match(refused, /this machine lacks: .*mmdebstrap[^]*install it now\? \[y\/N\]/);
  assert.match(refused, /nothing was installed/);
  assert.ok(!existsSync(apt));
  assert.match(await answered('y'), /the step "apt-lists" failed|there is no sudo/);
});

test('npm ci runs again when the lock file has changed, not when it was only touched', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  const lock = join(machine.root, 'package-lock.json');
  const later = async (seconds: number): Promise<void> => utimes(lock, Date.now() / 1000, Date.now() / 1000 + seconds);
  await machine.run();
  await later(1000);
  await machine.run();
  assert.equal((await machine.calls()).length, 1);
  await writeFile(lock, '{ }');
  await later(2000);
  await machine.run();
  assert.equal((await machine.calls()).length, 2);
});

test('a failing step is named, with its log and the remedy, and is tried again', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.program(
    'npm',
    'mkdir -p node_modules; echo "npm error code E404" >&2; for i in {1..30}; do echo "npm error usage"; done; exit 3',
  );
  const { code, stdout, stderr } = await machine.run();
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /the step "npm" failed \(3\)/);
  assert.match(stderr, /E404/);
  assert.match(stderr, /-> See that npm reaches its registry/);
  await machine.program('npm', 'echo again >> calls');
  assert.equal((await machine.run()).code, 7);
  assert.deepEqual(await machine.calls(), ['again']);
});

test('an interruption ends what is under way, and the next run begins that step anew', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  const begun = join(machine.home, 'begun');
  await machine.program('npm', `mkdir -p node_modules; echo $$ > '${begun}'; trap '' TERM; sleep 300; sleep 300`);
  const child = machine.start(['doctor']);
  while (!existsSync(begun) || (await readFile(begun, 'utf8')) === '') await delay(50);
  const npm = Number(await readFile(begun, 'utf8'));
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 130);
  // npm was killed, which takes a busy host a moment; a zombie that init has not reaped counts as ended.
  const state = (): Promise<string> => readFile(`/proc/${npm}/stat`, 'utf8').catch(() => 'gone Z');
  await eventually('npm has ended', async () => / Z/.test(await state()), 30_000);
  await machine.program('npm', 'echo again >> calls');
  assert.equal((await machine.run()).code, 7);
  assert.deepEqual(await machine.calls(), ['again']);
});

test('where Node is too old, one is installed beside the state, and used', async () => {
  await using machine = await Machine.make();
  await machine.node('v20.0.0');
  await machine.program(
    'npm',
    `case "$1" in install) mkdir -p node_modules/.bin
       printf '%s\\n' '#!${findTool('bash')}' 'case "$1" in --version) echo v24.9.0 ;; *) echo "the new one" ;; esac' > node_modules/.bin/node
       chmod +x node_modules/.bin/node ;;
     ci) mkdir -p node_modules; node --version >> calls ;; esac`,
  );
  assert.equal((await machine.run(['config'])).stdout, 'the new one\n');
  assert.deepEqual(await machine.calls(), ['v24.9.0'], 'npm ci runs by the new Node');
});

test('a machine that cannot be helped says what it lacks', async () => {
  await using machine = await Machine.make();
  await rm(join(machine.programs, 'npm'));
  const { code, stderr } = await machine.run();
  assert.equal(code, 1);
  assert.match(stderr, /this machine lacks: nodejs npm/);
  assert.match(stderr, /-> Install these/);
});

test('what emulates another processor is asked for where that processor is, and by the tests', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.guestSources();
  const lacked = async (words: readonly string[]): Promise<boolean> => {
    const { code, stderr } = await machine.run(words);
    assert.equal(code, 1);
    assert.match(stderr, /this machine lacks: .*mmdebstrap/);
    return stderr.includes('qemu-system-arm');
  };
  for (const words of [['create', '--arch', 'arm64'], ['run', '--arch=arm64', '--', 'true'], ['test']])
    assert.equal(await lacked(words), true, words.join(' '));
  assert.equal(await lacked(['create']), process.arch === 'arm64');
});

test('npm keeps compiled code in the state folder, which is closed to others whatever the umask', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.program('npm', 'echo "$NODE_COMPILE_CACHE" >> calls; mkdir -p node_modules');
  const umask = process.umask(0);
  try {
    await machine.run();
  } finally {
    process.umask(umask);
  }
  assert.deepEqual(await machine.calls(), [join(machine.home, 'cache/node')]);
  for (const [folder, mode] of [
    ['', 0o711],
    ['cache', 0o700],
    ['setup', 0o700],
  ] as const)
    assert.equal((await stat(join(machine.home, folder))).mode & 0o777, mode, folder);
});

const asRoot = process.getuid?.() === 0 ? false : 'only root can give folders away';
test('a state folder of another user is refused before anything in it is run', { skip: asRoot }, async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.run();
  const evil = join(machine.home, 'evil');
  await writeFile(evil, `#!${findTool('bash')}\necho evil\n`, { mode: 0o755 });
  await writeFile(join(machine.home, 'setup/node'), `${evil}\n`);
  await chown(machine.home, 778_001, 778_001);
  const { code, stdout, stderr } = await machine.run();
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /belongs to another user/);
});

test("nothing in the current folder is run: neither Python's modules nor what a guest's command names", async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.run();
  await symlink(findTool('python3'), join(machine.programs, 'python3'));
  await machine.guestSources();
  const cwd = join(machine.home, 'project');
  await mkdir(cwd);
  for (const name of ['ensurepip.py', 'venv.py']) await writeFile(join(cwd, name), 'open("evil", "w")\n');
  await machine.run(['test'], { cwd });
  assert.ok(!existsSync(join(cwd, 'evil')));
  const { stderr } = await machine.run(['run', '--', 'make', '--arch=arm64', '--arch', 'arm64'], { cwd });
  assert.equal(stderr.includes('qemu-system-arm'), process.arch === 'arm64', "the guest's words are not ours");
});

test('two at once: the second waits for the first', async () => {
  await using machine = await Machine.make();
  await machine.node('v24.1.0');
  await machine.program('npm', 'mkdir -p node_modules; echo begin >> calls; sleep 1; echo end >> calls');
  const results = await Promise.all([machine.run(), machine.run()]);
  assert.deepEqual(
    results.map(({ code }) => code),
    [7, 7],
  );
  assert.deepEqual(await machine.calls(), ['begin', 'end']);
});

test('Node and the packages are fetched side by side', async () => {
  await using machine = await Machine.make();
  const meet = (mine: string, other: string): string =>
    `touch '${machine.home}/${mine}'; until [ -e '${machine.home}/${other}' ]; do sleep 0.05; done`;
  await symlink(findTool('touch'), join(machine.programs, 'touch'));
  await machine.program(
    'npm',
    `case "$1" in install) ${meet('node', 'modules')}; mkdir -p node_modules/.bin
       printf '%s\\n' '#!${findTool('bash')}' 'case "$1" in --version) echo v24.9.0 ;; *) exit 7 ;; esac' > node_modules/.bin/node
       chmod +x node_modules/.bin/node ;;
     ci) ${meet('modules', 'node')}; mkdir -p node_modules ;; esac`,
  );
  const { code, stderr } = await machine.run();
  assert.equal(code, 7, stderr);
  assert.deepEqual(
    stderr.split('\n').filter((line) => line.endsWith('...')),
    ['nova: Node 24.21.0 ...', 'nova: npm packages ...'],
  );
});

test('a step that fails ends the one beside it', async () => {
  await using machine = await Machine.make();
  const begun = join(machine.home, 'begun');
  await machine.program(
    'npm',
    `case "$1" in install) until [ -s '${begun}' ]; do sleep 0.05; done; echo 'npm error 404' >&2; exit 3 ;;
     ci) echo $$ > '${begun}'; sleep 300 ;; esac`,
  );
  const { code, stderr } = await machine.run();
  assert.equal(code, 1);
  assert.match(stderr, /the step "node" failed \(3\)/);
  const beside = await readFile(`/proc/${(await readFile(begun, 'utf8')).trim()}/stat`, 'utf8').catch(() => 'gone Z');
  assert.match(beside, / Z/);
});

test('help and version are had without Node, and nothing is installed for them', async () => {
  await using machine = await Machine.make();
  for (const words of [[], ['--help'], ['help', 'run'], ['run', '--help']]) {
    const { code, stdout, stderr } = await machine.run(words);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Usage: nova/);
    for (const [name, { summary, hidden }] of Object.entries(verbs))
      assert.equal(stdout.includes(`  ${name.padEnd(11)} ${summary}\n`), hidden !== true, name);
  }
  assert.equal((await machine.run(['--version'])).stdout, `${version}\n`);
  const completion = await machine.run(['completion', 'bash']);
  assert.equal(completion.code, 1);
  assert.match(completion.stderr, /-> \.\/nova setup client/);
  assert.deepEqual(await machine.calls(), []);
  await machine.node('v24.1.0');
  await machine.run();
  assert.match((await machine.run(['run', '--help'])).stdout, /<:run><:--help>/);
});

test('the client of a daemon installs nothing, and works with Node and the packages alone', async () => {
  await using machine = await Machine.make();
  const remote = { env: { NOVA_API_URL: 'http://127.0.0.1:1' } };
  for (const [words, options] of [
    [['run', '--', 'true'], remote],
    [['--api-url', 'http://127.0.0.1:1', 'ls'], {}],
    [['ls', '--api-url=http://127.0.0.1:1'], {}],
  ] as const) {
    const { code, stderr } = await machine.run(words, options);
    assert.equal(code, 1);
    assert.match(stderr, /a client of a daemon installs nothing[\s\S]*-> \.\/nova setup client/);
  }
  assert.deepEqual(await machine.calls(), []);
  await machine.node('v24.1.0');
  assert.match((await machine.run(['setup', 'client'])).stdout, /<:setup><:client>/);
  assert.deepEqual(await machine.calls(), [npmSome]);
  const { code, stdout, stderr } = await machine.run(['run', '--', 'true'], remote);
  assert.equal(code, 7, stderr);
  assert.match(stdout, /<:run><:--><:true>/);
  assert.deepEqual(await machine.calls(), [npmSome]);
});

test('a service installs nothing, and says all that is lacked at once', async () => {
  await using machine = await Machine.make();
  await machine.guestSources();
  for (const name of ['apt-get', 'cargo'])
    await machine.program(
      name,
      `case "$1" in --version) echo cargo 1.65.0 ;; *) echo "${name} $*" >> '${machine.root}/calls' ;; esac`,
    );
  const service = { env: { INVOCATION_ID: 'a1b2' } };
  const { code, stderr } = await machine.run(['serve'], service);
  assert.equal(code, 1);
  const [said = '', remedy = ''] = stderr.split('\n');
  for (const lacked of [
    'qemu-system-',
    'mmdebstrap',
    'zstd',
    'cargo-web rustc-web libc6-dev',
    'Node (>= 24)',
    ', the npm packages',
  ])
    assert.ok(said.includes(lacked), `${lacked}: ${said}`);
  assert.match(remedy, /-> .*NOVA_HOME='.*\/nova setup host/);
  assert.deepEqual(await machine.calls(), []);
});

test('the remedy names all packages at once, Rust among them, by the name this system has for it', async () => {
  await using machine = await Machine.make();
  await machine.guestSources();
  await rm(join(machine.programs, 'npm'));
  const lacked = async (): Promise<string> => (await machine.run(['create'])).stderr;
  assert.match(await lacked(), /lacks: .*mmdebstrap.* nodejs npm cargo-web rustc-web libc6-dev$/m);
  // A mirror may have the programs that would need Rust to build.
  const mirrored = await machine.run(['create'], { env: { NOVA_MIRROR: 'file:///mirror' } });
  assert.match(mirrored.stderr, /lacks: .*mmdebstrap.* nodejs npm$/m);
  await machine.program('apt-cache', 'echo "  Candidate: 1.90.0-1"');
  await machine.program('dpkg', 'exit 0');
  assert.match(await lacked(), /lacks: .*mmdebstrap.* nodejs npm cargo rustc libc6-dev$/m);
});

test('the tests need what checks the Rust programs, by the name that goes with the Rust of this system', async () => {
  await using machine = await Machine.make();
  await machine.guestSources();
  const lacked = async (): Promise<string> => (await machine.run(['test'])).stderr;
  assert.match(await lacked(), /lacks: .* rust-web-clippy rustfmt-web .*cargo-web rustc-web/m);
  await machine.program('apt-cache', 'echo "  Candidate: 1.90.0-1"');
  await machine.program('dpkg', 'exit 0');
  assert.match(await lacked(), /lacks: .* rust-clippy rustfmt .*cargo rustc/m);
  for (const tool of ['cargo-clippy', 'cargo-fmt']) await machine.program(tool, 'exit 0');
  assert.doesNotMatch(await lacked(), /clippy|rustfmt/);
  assert.doesNotMatch((await machine.run(['create'])).stderr, /clippy|rustfmt/);
});

test('without npm, Node and npm are fetched from its registry, and are nothing but what they should be', async () => {
  await using machine = await Machine.make();
  await rm(join(machine.programs, 'npm'));
  await machine.program('curl', `echo "\${@: -1}" >> '${machine.root}/calls'; echo 'another archive' > "$5"`);
  const { code, stderr } = await machine.run();
  assert.equal(code, 1);
  assert.match(
    stderr,
    /the step "node" failed[\s\S]*npm-11\.19\.1\.tgz is not what it should be: its SHA-512 is [0-9a-f]{128}/,
  );
  assert.deepEqual(await machine.calls(), ['https://registry.npmjs.org/npm/-/npm-11.19.1.tgz']);
  assert.deepEqual(await readdir(join(machine.home, 'node/node_modules')), []);
});

test('what Node is fetched with is installed first, and Node then comes beside all other packages', async () => {
  await using machine = await Machine.make();
  await machine.guestSources();
  await rm(join(machine.programs, 'npm'));
  for (const name of ['touch', 'cp']) await symlink(findTool(name), join(machine.programs, name));
  const fetching = join(machine.home, 'fetching');
  await machine.program(
    'apt-get',
    `[[ "$*" == *' install '* ]] || exit 0
     all="$*"; echo "\${all##*install }" >> '${machine.root}/calls'
     if [[ "$*" == *mmdebstrap* ]]; then until [ -e '${fetching}' ]; do sleep 0.05; done; exit 3; fi
     cp '${machine.programs}/later' '${machine.programs}/curl'`,
  );
  await machine.program('later', `touch '${fetching}'; sleep 300`);
  await machine.program('sudo', 'if [ "$1" = -n ]; then exit 0; fi; exec "$@"');
  const { code, stderr } = await machine.run(['create'], { env: { NOVA_MIRROR: 'file:///mirror' } });
  assert.equal(code, 1);
  assert.match(stderr, /the step "apt" failed/);
  const [first = '', second = ''] = await machine.calls();
  assert.equal(first, 'curl ca-certificates');
  assert.match(second, /mmdebstrap.* curl ca-certificates$/);
});
