import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  createFetchPrebuilt,
  createImageSource,
  drivers,
  findBinary,
  loadTemplate,
  releases,
  type ImageSource,
  type VmmProgram,
  type WrittenPart,
} from '@novasandbox/engine';
import { isNovaError, type ErrorCode, type OwnHypervisor } from '@novasandbox/protocol';
import { assertNoLeaks } from '../support/leaks.ts';
import { cliUnderTest, finished, novaCommand, type CliResult } from '../support/nova-cli.ts';
import { cloudHypervisorAsset, firecrackerAsset, hostileAsset, releaseServer } from '../support/release-server.ts';
import { testHome } from '../support/test-home.ts';
import { eventually } from '../support/eventually.ts';

const linux = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
const options = { skip: linux ? false : 'there are no releases for this machine' };
const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const version = releases.firecracker.version;
const cloudVersion = releases['cloud-hypervisor'].version;

const home = await testHome({ own: ['work'] });
const server = await releaseServer();
const firecracker = await firecrackerAsset(version, architecture);
const pathOf = (wanted: string): string =>
  `/firecracker-microvm/firecracker/releases/download/v${wanted}/firecracker-v${wanted}-${architecture}.tgz`;
server.assets.set(pathOf(version), firecracker.bytes);
const env = { ...home.env, NOVA_MIRROR: server.url };
const { vmmDirectory } = home.layout;

after(async () => {
  await assertNoLeaks(home.layout);
  await server[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

const start = (words: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), 'setup', ...words], { env: { ...env, ...more } });
const setup = (words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<CliResult> =>
  finished(start(words, more));
/** A program of a hypervisor. */
function programOf(hypervisor: OwnHypervisor, name: string): VmmProgram {
  const program = drivers[hypervisor].vmm?.programs.find((each) => each.name === name);
  assert.ok(program !== undefined);
  return program;
}
/** The error that `--json` printed. */
const errorOf = ({ stderr }: CliResult): { code: string; message: string; hint: string } =>
  (JSON.parse(stderr) as { error: { code: string; message: string; hint: string } }).error;
/** Asserts that there is neither a version nor anything half-made. */
const assertNothing = async (name: string): Promise<void> => {
  assert.ok(!existsSync(join(vmmDirectory, name, 'current')));
  assert.deepEqual((await readdir(join(vmmDirectory, name)).catch(() => [])).filter(Boolean), []);
  await assertNoLeaks(home.layout);
};

test('Firecracker and its jailer are fetched from the mirror, checked and installed', options, async () => {
  const result = await setup(['firecracker', '--sha256', firecracker.sha256]);
  assert.equal(result.code, 0, result.stderr);
  const directory = join(vmmDirectory, 'firecracker', version);
  assert.equal(result.stdout, `firecracker ${version} in ${directory}\n`);
  assert.deepEqual((await readdir(directory)).toSorted(), ['firecracker', 'jailer', 'release.json']);
  assert.equal(await readlink(join(vmmDirectory, 'firecracker', 'current')), version);
  assert.deepEqual(findBinary(programOf('firecracker', 'jailer'), vmmDirectory), {
    path: join(directory, 'jailer'),
    source: 'setup',
  });
  assert.match(execFileSync(join(directory, 'firecracker'), ['--version'], { encoding: 'utf8' }), /Firecracker v/);
  // Other users start it.
  for (const path of [vmmDirectory, join(vmmDirectory, 'firecracker'), directory, join(directory, 'firecracker')])
    assert.equal((await stat(path)).mode & 0o005, 0o005, path);
  await assertNoLeaks(home.layout);
});

test('what is there is kept; what is broken is fetched again', options, async () => {
  server.asked.length = 0;
  const again = await setup(['firecracker', '--json']);
  assert.equal(again.code, 0, again.stderr);
  const installed = JSON.parse(again.stdout) as Record<string, unknown>;
  assert.equal(installed['fetched'], false);
  assert.equal(installed['sha256'], firecracker.sha256);
  assert.equal(installed['sha256From'], 'option');
  assert.deepEqual(server.asked, []);
  await writeFile(join(vmmDirectory, 'firecracker', version, 'firecracker'), 'no program');
  const mended = await setup(['firecracker', '--sha256', firecracker.sha256, '--json']);
  assert.equal((JSON.parse(mended.stdout) as Record<string, unknown>)['fetched'], true);
  assert.equal(server.asked.length, 1);
});

test('another version is put beside the first, and is the one in use', options, async () => {
  const next = await firecrackerAsset('1.99.0', architecture);
  server.assets.set(pathOf('1.99.0'), next.bytes);
  assert.equal((await setup(['firecracker', '--version', 'v1.99.0', '--sha256', next.sha256])).code, 0);
  assert.equal(await readlink(join(vmmDirectory, 'firecracker', 'current')), '1.99.0');
  assert.equal((await setup(['firecracker'])).code, 0);
  assert.equal(await readlink(join(vmmDirectory, 'firecracker', 'current')), version);
  await rm(join(vmmDirectory, 'firecracker'), { recursive: true });
});

test('Cloud Hypervisor is one program', options, async () => {
  const asset = cloudHypervisorAsset(cloudVersion);
  const name = `cloud-hypervisor-static${process.arch === 'arm64' ? '-aarch64' : ''}`;
  const path = `/cloud-hypervisor/cloud-hypervisor/releases/download/v${cloudVersion}/${name}`;
  server.assets.set(path, asset.bytes);
  const result = await setup(['cloud-hypervisor', '--sha256', asset.sha256, '--json']);
  assert.equal(result.code, 0, result.stderr);
  const { programs } = JSON.parse(result.stdout) as { programs: string[] };
  assert.deepEqual(programs, ['cloud-hypervisor']);
  assert.ok(findBinary(programOf('cloud-hypervisor', 'cloud-hypervisor'), vmmDirectory).path !== null);
});

test('`nova` is put into a folder of the PATH, found there, and taken out again', async () => {
  const folder = join(home.home, 'own/bin');
  const path = (...words: string[]): Promise<CliResult> =>
    setup(['path', ...words], { PATH: `${process.env['PATH'] ?? ''}:${folder}`, SHELL: '/bin/bash' });
  const made = await path(folder);
  assert.equal(made.code, 0, made.stderr);
  assert.match(
    made.stdout,
    /own\/bin\/nova -> .*\/nova: made\nFor completion: {2}echo 'source <\(nova completion bash\)'/,
  );
  const again = JSON.parse((await path(folder, '--json')).stdout) as { state: string; inPath: boolean; link: string };
  assert.deepEqual([again.state, again.inPath], ['present', true]);
  const called = { cwd: home.home, env: { ...env, NOVA_NO_SETUP: '1' }, encoding: 'utf8' } as const;
  assert.match(execFileSync(again.link, ['--version'], called), /^\d+\.\d+\.\d+\n$/);
  assert.match((await path(folder, '--remove')).stdout, /: removed\n$/);
  assert.match((await path(folder, '--remove')).stdout, /: not there\n$/);
  await writeFile(again.link, 'theirs');
  for (const words of [[folder], [folder, '--remove']]) {
    const refused = await path(...words, '--json');
    assert.equal(refused.code, 1);
    assert.equal(errorOf(refused).code, 'file_exists');
  }
  assert.equal(await readFile(again.link, 'utf8'), 'theirs');
  await rm(join(home.home, 'own'), { recursive: true });
  const elsewhere = await setup(['path', folder], { PATH: '/usr/bin', SHELL: '/usr/bin/fish' });
  assert.match(elsewhere.stdout, /is not in your PATH.*fish_add_path/);
  await rm(join(home.home, 'own'), { recursive: true });
});

test('words that do not go together end with 2', async () => {
  for (const words of [
    ['mirror'],
    ['host', '/tmp'],
    ['firecracker', '--remove'],
    ['path', '--sha256', '00'],
    ['mirror', '/tmp/x', '--version', '1.0.0'],
  ])
    assert.equal((await setup(words)).code, 2, words.join(' '));
});

test('a mirror below /proc is an error, and not waited for', async () => {
  const result = await setup(['mirror', '/proc/nothing/below', '--json'], { NOVA_MIRROR: '' });
  assert.equal(result.code, 1);
  assert.equal(errorOf(result).code, 'storage_failed');
});

test('another digest is an error, and nothing is kept', options, async () => {
  const result = await setup(['firecracker', '--sha256', '00'.repeat(32), '--json']);
  assert.equal(result.code, 1);
  assert.equal(errorOf(result).code, 'checksum_mismatch');
  assert.ok(errorOf(result).message.includes(firecracker.sha256));
  await assertNothing('firecracker');
});

test('a digest that nobody can tell is asked of the caller: the mirror is not believed', options, async () => {
  server.asked.length = 0;
  // Nothing listens there, so the release page cannot be reached.
  const offline = { NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' };
  const result = await setup(['firecracker', '--version', '1.98.0', '--json'], offline);
  assert.equal(result.code, 1);
  assert.equal(errorOf(result).code, 'download_failed');
  assert.match(errorOf(result).hint, /--sha256/);
  assert.deepEqual(server.asked, []);
  await assertNothing('firecracker');
});

test('without a digest given, the pinned one decides, whatever a mirror offers', options, async () => {
  const result = await setup(['firecracker', '--json']);
  assert.equal(result.code, 1);
  assert.equal(errorOf(result).code, 'checksum_mismatch');
  await assertNothing('firecracker');
});

test('no network, no such release, and an answer that breaks off', options, async () => {
  const given = ['firecracker', '--sha256', firecracker.sha256, '--json'];
  const unreachable = await setup(given, { NOVA_MIRROR: 'http://127.0.0.1:1' });
  assert.equal(errorOf(unreachable).code, 'download_failed');
  assert.match(errorOf(unreachable).hint, /NOVA_MIRROR/);
  const missing = await setup([...given, '--version', '1.98.0']);
  assert.equal(errorOf(missing).code, 'download_failed');
  assert.match(errorOf(missing).message, /404/);
  server.breakOff = true;
  try {
    assert.equal(errorOf(await setup(given)).code, 'download_failed');
  } finally {
    server.breakOff = false;
  }
  await assertNothing('firecracker');
});

test('a release that is not what it says is refused', options, async () => {
  const other = await firecrackerAsset('1.97.0', architecture, '1.96.0');
  server.assets.set(pathOf('1.97.0'), other.bytes);
  const result = await setup(['firecracker', '--version', '1.97.0', '--sha256', other.sha256, '--json']);
  assert.equal(errorOf(result).code, 'set_up_failed');
  assert.match(errorOf(result).message, /says it is 1\.96\.0/);
  await assertNothing('firecracker');
});

test('a hostile archive makes nothing of the host executable, and fills no disk', options, async () => {
  const victim = join(home.home, 'victim');
  await writeFile(victim, '#!/bin/sh\ntouch "$0.ran"\n', { mode: 0o600 });
  for (const [command, message] of [
    [`ln -s '${victim}' "$1"`, /no plain file/],
    ['mkfifo "$1"', /no plain file/],
    ['mkdir "$1"', /no plain file/],
    ['truncate -s 600M "$1"', /could not be unpacked/],
    [':', /could not be unpacked/],
  ] as const) {
    const hostile = await hostileAsset('1.94.0', architecture, command);
    server.assets.set(pathOf('1.94.0'), hostile.bytes);
    const words = ['firecracker', '--version', '1.94.0', '--sha256', hostile.sha256, '--json'];
    const { code, message: said } = errorOf(await setup(words));
    assert.equal(code, 'set_up_failed', command);
    assert.match(said, message, command);
    assert.equal((await stat(victim)).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${victim}.ran`));
    await assertNothing('firecracker');
  }
});

test('a mirror may send us to another host, not to another protocol nor round and round', options, async () => {
  const given = ['firecracker', '--sha256', firecracker.sha256, '--json'];
  const path = pathOf(version);
  const bytes = server.assets.get(path);
  try {
    const elsewhere = server.url.replace('127.0.0.1', 'localhost');
    server.assets.set('/elsewhere', firecracker.bytes);
    server.redirects.set(path, `${elsewhere}/elsewhere`);
    assert.equal((await setup(given)).code, 0);
    await rm(join(vmmDirectory, 'firecracker'), { recursive: true });
    for (const [location, message] of [
      ['file:///etc/passwd', /is no http or https/],
      [path, /redirected more than 5 times/],
    ] as const) {
      server.redirects.set(path, location);
      const error = errorOf(await setup(given));
      assert.equal(error.code, 'download_failed');
      assert.match(error.message, message);
      await assertNothing('firecracker');
    }
  } finally {
    server.redirects.clear();
    if (bytes !== undefined) server.assets.set(path, bytes);
  }
});

test('an answer that says it is larger than any release is not received', options, async () => {
  server.announced = (1 << 30) * 2;
  try {
    const error = errorOf(await setup(['firecracker', '--sha256', firecracker.sha256, '--json']));
    assert.equal(error.code, 'download_failed');
    assert.match(error.message, /larger than/);
    await assertNothing('firecracker');
  } finally {
    server.announced = null;
  }
});

test('bad versions, digests and mirrors are told before anything is fetched', options, async () => {
  server.asked.length = 0;
  const cases: [string[], NodeJS.ProcessEnv][] = [
    [['--version', '../../etc'], {}],
    [['--version', '1.16.0'], {}],
    [['--sha256', 'abc'], {}],
    [['--sha256', firecracker.sha256], { NOVA_MIRROR: 'ftp://example.org' }],
  ];
  for (const [words, more] of cases)
    assert.equal(errorOf(await setup(['firecracker', '--json', ...words], more)).code, 'invalid_argument', words[1]);
  assert.equal((await setup(['xen'])).code, 2);
  assert.equal((await setup(['mirror'])).code, 2);
  assert.equal((await setup(['firecracker', 'folder'])).code, 2);
  assert.deepEqual(server.asked, []);
  await assertNothing('firecracker');
});

test('an interrupt ends it at once, and nothing is kept', options, async () => {
  server.stall = true;
  try {
    server.asked.length = 0;
    const child = start(['firecracker', '--sha256', firecracker.sha256]);
    await eventually('it is being fetched', () => server.asked.length === 1);
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 130);
    await assertNothing('firecracker');
  } finally {
    server.stall = false;
  }
});

test('after a SIGKILL in the middle the next one sets it up', options, async () => {
  server.stall = true;
  server.asked.length = 0;
  const child = start(['firecracker', '--sha256', firecracker.sha256]);
  await eventually('it is being fetched', () => server.asked.length === 1);
  child.kill('SIGKILL');
  await once(child, 'close');
  server.stall = false;
  assert.equal((await setup(['firecracker', '--sha256', firecracker.sha256])).code, 0);
  await assertNoLeaks(home.layout);
  await rm(join(vmmDirectory, 'firecracker'), { recursive: true });
});

test('two at once: one fetches, the other finds it', options, async () => {
  server.asked.length = 0;
  const both = await Promise.all([0, 1].map(() => setup(['firecracker', '--sha256', firecracker.sha256, '--json'])));
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(server.asked.length, 1);
  await rm(join(vmmDirectory, 'firecracker'), { recursive: true });
});

/** A mirror of the parts that this machine has built, which the server serves too, and a state folder without them. */
async function mirrored() {
  const empty = await testHome({ own: ['agent', 'confine', 'listen', 'kernels', 'initramfs', 'work'] });
  const folder = join(empty.home, 'a mirror');
  const result = await setup(['mirror', folder, '--json']);
  assert.equal(result.code, 0, result.stderr);
  const parts = JSON.parse(result.stdout) as WrittenPart[];
  const path = ({ kind, address }: WrittenPart, name: string): string => `/novasandbox/${kind}/${address}/${name}`;
  for (const part of parts)
    for (const name of await readdir(part.directory))
      server.assets.set(path(part, name), await readFile(join(part.directory, name)));
  const imagesFrom = (mirror: string): ImageSource =>
    createImageSource(empty.layout, undefined, createFetchPrebuilt(mirror));
  const pathsOf = (kind: WrittenPart['kind']): string[] =>
    [...server.assets.keys()].filter((asset) => asset.startsWith(`/novasandbox/${kind}/`));
  return { empty, folder, parts, imagesFrom, pathsOf, [Symbol.asyncDispose]: () => empty[Symbol.asyncDispose]() };
}

/** Runs `work` without Rust, and without an apt that could fetch a kernel. */
async function withoutMeans<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const { PATH } = process.env;
  const programs = join(folder, 'bin');
  await mkdir(programs, { recursive: true });
  for (const name of ['cargo', 'apt-get', 'apt-cache'])
    await writeFile(join(programs, name), '#!/bin/sh\nexit 9\n', { mode: 0o755 });
  process.env['PATH'] = `${programs}:${PATH}`;
  try {
    return await work();
  } finally {
    process.env['PATH'] = PATH;
  }
}

test(
  'a mirror of agent, programs of the host and kernel serves a machine that can build none of them',
  options,
  async () => {
    await using at = await mirrored();
    assert.deepEqual(
      at.parts.map(({ kind }) => kind),
      ['agent', 'confine', 'listen', 'kernel'],
    );
    const here = createImageSource(home.layout);
    const base = await loadTemplate(home.layout, 'base');
    for (const mirror of [server.url, `${pathToFileURL(at.folder).href}/`]) {
      await withoutMeans(at.empty.home, async () => {
        const images = at.imagesFrom(mirror);
        const { kernel, initramfs } = await images.boot(base, {});
        const expected = await here.boot(base, {});
        assert.equal(kernel.digest, expected.kernel.digest);
        assert.equal(initramfs.digest, expected.initramfs.digest);
        assert.deepEqual(await readFile(initramfs.path), await readFile(expected.initramfs.path));
        const { program } = await images.confiner({});
        assert.deepEqual(await readFile(program), await readFile((await here.confiner({})).program));
        const listener = await images.listener({});
        assert.deepEqual(await readFile(listener.program), await readFile((await here.listener({})).program));
      });
      for (const name of ['agent', 'confine', 'listen', 'kernels', 'initramfs'])
        await rm(join(at.empty.home, name), { recursive: true });
      for (const name of ['agent', 'confine', 'listen', 'kernels', 'initramfs']) await mkdir(join(at.empty.home, name));
    }
    await assertNoLeaks(at.empty.layout);
  },
);

test(
  'what a mirror has is used only as it was written: altered, cut short, another part, broken off',
  options,
  async () => {
    await using at = await mirrored();
    const [binary = '', manifest = ''] = at.pathsOf('agent').toSorted((a) => (a.endsWith('.json') ? 1 : -1));
    const right = new Map(at.pathsOf('agent').map((path) => [path, server.assets.get(path) ?? Buffer.alloc(0)]));
    const content = right.get(binary) ?? Buffer.alloc(0);
    const fails = async (code: ErrorCode, mirror = server.url): Promise<void> => {
      await assert.rejects(at.imagesFrom(mirror).agent({}), (error) => {
        assert.ok(isNovaError(error, code), String(error));
        assert.match(error.hint, /nova setup mirror/);
        return true;
      });
      assert.deepEqual(
        (await readdir(join(at.empty.home, 'agent'))).filter((name) => /^[0-9a-f]{64}$/.test(name)),
        [],
      );
      assert.deepEqual(await readdir(at.empty.layout.workDirectory), []);
    };
    const put = (path: string, bytes: Buffer): void => void server.assets.set(path, bytes);
    const told = JSON.parse(String(right.get(manifest))) as { files: object[] };
    const tell = (more: object): void => put(manifest, Buffer.from(JSON.stringify({ ...told, ...more })));
    const cases: [ErrorCode, () => void][] = [
      ['checksum_mismatch', () => put(binary, Buffer.concat([content.subarray(1), Buffer.from('x')]))],
      ['checksum_mismatch', () => put(binary, content.subarray(0, 1000))],
      ['download_failed', () => put(binary, Buffer.concat([content, content]))],
      ['download_failed', () => void server.assets.delete(binary)],
      ['download_failed', () => (server.breakOff = true)],
      ['download_failed', () => put(manifest, Buffer.from('<html>'))],
      ['download_failed', () => put(manifest, Buffer.alloc(100_000, ' '))],
      ['download_failed', () => tell({ address: '00'.repeat(32) })],
      ['download_failed', () => tell({ files: [{ ...told.files[0], name: '../../evil' }] })],
      ['download_failed', () => void server.redirects.set(binary, 'http://example.org/agent')],
    ];
    for (const [code, spoil] of cases) {
      try {
        spoil();
        await fails(code);
      } finally {
        server.breakOff = false;
        server.redirects.clear();
        for (const [path, bytes] of right) put(path, bytes);
      }
    }
    await truncate(join(at.folder, binary.replace('/novasandbox', 'novasandbox')), 100);
    await fails('checksum_mismatch', pathToFileURL(at.folder).href);
    // The second time, the part exists already.
    assert.deepEqual(await readFile((await at.imagesFrom(server.url).agent({})).path), content);
  },
);

test('what a mirror has not, and what could be changed on the way, is built here', options, async () => {
  await using at = await mirrored();
  for (const path of at.pathsOf('agent')) server.assets.delete(path);
  server.asked.length = 0;
  const wouldBuild = (mirror: string): Promise<void> =>
    withoutMeans(at.empty.home, () =>
      assert.rejects(at.imagesFrom(mirror).agent({}), (error) => {
        assert.ok(isNovaError(error, 'set_up_failed'));
        assert.match(error.message, /needs Rust/);
        assert.match(error.hint, /cargo-web rustc-web libc6-dev/);
        return true;
      }),
    );
  await wouldBuild(server.url);
  assert.equal(server.asked.length, 1);
  await wouldBuild('http://192.0.2.1');
  await wouldBuild('file:///nonexistent');
  await wouldBuild('');
  assert.equal(server.asked.length, 1);
});

const root = process.getuid?.() === 0;
test('a full disk is told as such', { skip: !linux || !root ? 'needs root' : false }, async () => {
  await using cli = await cliUnderTest();
  const work = cli.home.layout.workDirectory;
  await rm(work);
  await mkdir(work);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'nova-test', work]);
  try {
    const large = { bytes: Buffer.alloc(1 << 20), path: pathOf('1.95.0') };
    server.assets.set(large.path, large.bytes);
    const words = ['setup', 'firecracker', '--version', '1.95.0', '--sha256', firecracker.sha256, '--json'];
    const result = await cli.nova(words, { env: { NOVA_MIRROR: server.url } });
    assert.equal(errorOf(result).code, 'host_resource_exhausted', result.stderr);
    assert.ok(!existsSync(join(work, 'vmm-firecracker')));
  } finally {
    execFileSync('umount', [work]);
  }
});
