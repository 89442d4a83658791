import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createImageSource, hostArchitecture, loadTemplate, runCommand } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { makeImage, type MadeImage } from '../../packages/engine/src/images/oci/testing/make-image.ts';
import { engineUnderTest, sandbox, sh, type EngineUnderTest } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { novaCommand } from '../support/nova-cli.ts';
import { serverUnderTest } from '../support/server.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const architecture = hostArchitecture().name;
let under: EngineUnderTest;
let registry: TestRegistry;
let folder: string;
let shell: MadeImage;

const put = (repository: string, tag: string, image: MadeImage): void =>
  registry.put(repository, tag, image.manifest, image.blobs);
const image = (name: string): string => `${registry.host}/${name}`;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nova-oci-'));
  process.env['DOCKER_CONFIG'] = folder;
  under = await engineUnderTest();
  registry = await startRegistry();
  // Programs of Debian make an image: its tree is read out of the root image of another template.
  const { layout } = under;
  const { path } = await createImageSource(layout).rootImage(await loadTemplate(layout, 'minimal'), {});
  const tree = join(folder, 'tree');
  await mkdir(tree);
  await runCommand('debugfs', ['-R', `rdump / ${tree}`, path]);
  const archive = join(folder, 'tree.tar');
  await runCommand('tar', ['--create', '--numeric-owner', '--file', archive, '--directory', tree, '.']);
  shell = makeImage(
    [
      await readFile(archive),
      [
        { name: 'etc/.wh.issue' },
        { name: 'etc/image', content: 'of the tests\n' },
        { name: 'srv/data/owned', content: 'x', uid: 1234, gid: 4321, mode: 0o640 },
        { name: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\napp:x:1234:4321::/srv/data:/bin/sh\n' },
        { name: 'etc/group', content: 'root:x:0:\napp:x:4321:\n' },
      ],
    ],
    {
      architecture,
      config: {
        Env: ['GREETING=from the image', 'PATH=/usr/bin:/bin'],
        User: 'app',
        WorkingDir: '/srv/data/made',
        Entrypoint: ['/bin/sh', '-c'],
        Cmd: ['echo "started: $GREETING"'],
        ExposedPorts: { '8080/tcp': {} },
        Labels: { maker: 'tests' },
      },
    },
  );
  put('shell', '1', shell);
});

after(async () => {
  try {
    for (const { id, source } of await under.engine.templates.list())
      if (source.startsWith(`oci ${registry.host}`)) {
        for (const each of await under.engine.sandboxes.list({ all: true }))
          await under.engine.sandboxes.remove(each.id, { force: true });
        await under.engine.templates.remove(id);
      }
  } finally {
    await registry[Symbol.asyncDispose]();
    await under[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});

test('an image is a template: its files, user, folder and environment are those of the guest', async () => {
  const { engine } = under;
  const built = await engine.templates.build('pulled', { image: image('shell:1') });
  assert.deepEqual(
    { ...built.image, start: built.start, user: built.user, workdir: built.workdir, built: built.built },
    {
      name: image('shell:1'),
      digest: shell.manifest.digest,
      layers: 2,
      sizeBytes: shell.layers.reduce((total, { bytes }) => total + bytes.length, 0),
      ports: ['8080/tcp'],
      labels: { maker: 'tests' },
      start: ['/bin/sh', '-c', 'echo "started: $GREETING"'],
      user: 'app',
      workdir: '/srv/data/made',
      built: true,
    },
  );
  await using box = await sandbox(engine, { templateId: 'pulled' });
  assert.equal(box.metadata.bootKind, 'snapshot');
  const ran = await sh(
    engine,
    box.id,
    'id -u; id -g; pwd; echo $GREETING; cat /etc/image; ls /etc/issue 2>&1 | wc -l; test -e /etc/issue || echo gone; stat -c "%u:%g %a" /srv/data/owned',
    { user: '' },
  );
  assert.equal(
    ran.stdout,
    '1234\n4321\n/srv/data/made\nfrom the image\nof the tests\n1\ngone\n1234:4321 640\n',
    ran.stderr,
  );
});

test('the same image by another tag is not fetched and not built again', async () => {
  const { engine } = under;
  const first = await engine.templates.build('pulled', { image: image('shell:1') });
  put('shell', 'other', shell);
  const asked = registry.requests.length;
  const again = await engine.templates.build('again', { image: image('shell:other') });
  assert.deepEqual(registry.requests.slice(asked), ['GET /v2/shell/manifests/other']);
  assert.equal(again.digest, first.digest);
  await engine.templates.remove('again');
  assert.equal((await engine.templates.inspect('pulled')).built, true, 'the other template keeps its root image');
  await assert.rejects(engine.templates.inspect('again'), (error) => isNovaError(error, 'unknown_template'));
});

test('a sandbox is made of an image by its name, also one of a single program without a shell', async () => {
  const { engine, layout } = under;
  const agent = await createImageSource(layout).agent({});
  put(
    'scratch',
    'latest',
    makeImage([[{ name: 'hello', mode: 0o755, content: await readFile(agent.path) }]], {
      architecture,
      config: { Entrypoint: ['/hello', '--version'] },
    }),
  );
  await using box = await sandbox(engine, { image: image('scratch') });
  const { start, image: about } = await engine.templates.inspect(box.templateId);
  assert.deepEqual([start, about?.name], [['/hello', '--version'], image('scratch:latest')]);
  const attached = await engine.exec.start(box.id, { argv: [...start] });
  let output = '';
  for await (const { bytes } of attached.output) output += Buffer.from(bytes).toString();
  assert.deepEqual(await attached.exit.then(({ exitCode }) => exitCode), 0);
  assert.match(output, /^nova-agent \d/);
  // The next one needs neither the registry nor another boot.
  const asked = registry.requests.length;
  await using next = await sandbox(engine, { image: image('scratch') });
  assert.deepEqual(
    [next.metadata.bootKind, next.templateId, registry.requests.length],
    ['snapshot', box.templateId, asked],
  );
});

/** Runs `nova` in the state folder of the tests. */
async function nova(
  ...argv: string[]
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], {
    env: { ...process.env, ...under.home.env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

test('nova run takes an image, and runs its own command where none is given', async () => {
  const given = await nova('run', '-q', '--image', image('shell:1'), '--', 'sh', '-c', 'cat /etc/image; pwd');
  assert.deepEqual(given, { code: 0, stdout: 'of the tests\n/srv/data/made\n', stderr: '' });
  const own = await nova('run', '-q', '--image', image('shell:1'));
  assert.deepEqual(own, { code: 0, stdout: 'started: from the image\n', stderr: '' });
  const none = await nova('run', '-q', '--template', 'minimal');
  assert.ok(none.code !== 0 && none.stderr.includes('names no command of its own'), none.stderr);
});

test('the daemon makes templates and sandboxes of images', async () => {
  await using server = await serverUnderTest({ DOCKER_CONFIG: folder });
  const built = await server.ok('POST', '/templates/pulled/build', { image: image('shell:1') });
  assert.deepEqual(
    [built.image.digest, built.start[0], built.workdir],
    [shell.manifest.digest, '/bin/sh', '/srv/data/made'],
  );
  const vm = await server.vm({ template: 'pulled' });
  const ran = await server.ok('POST', `/vms/${vm.id}/execute`, { command: 'cat /etc/image; pwd' });
  assert.equal(ran.stdout, 'of the tests\n/srv/data/made\n');
  const refused = await server.call('POST', '/vms', { body: { image: image('nowhere') } });
  assert.deepEqual([refused.status, refused.body.error.code], [404, 'image_not_found']);
  await server.ok('DELETE', `/vms/${vm.id}`);
  // Its root image is in a folder that test homes share.
  await server.ok('DELETE', '/templates/pulled');
});

test('an image that is not there leaves no template, and its error says what to do', async () => {
  const failed = await nova('template', 'build', '-q', 'nothing', '--image', image('nowhere:1'));
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /There is no manifests\/1 in .*nowhere.*manifest unknown[\s\S]*Check the name/);
  assert.equal((await nova('template', 'inspect', 'nothing')).code, 1);
  const taken = await nova('template', 'build', '-q', 'minimal', '--image', image('shell:1'));
  assert.match(taken.stderr, /There is a template "minimal" already/);
});

test('a pull that is killed leaves nothing that the next one stumbles over', async () => {
  const { engine, layout } = under;
  const big = makeImage([[{ name: 'a', content: 'x'.repeat(100_000) }], [{ name: 'b', content: 'y' }]], {
    architecture,
    packed: 'none',
  });
  put('killed', 'latest', big);
  const [layer] = big.layers;
  let cut = false;
  registry.intercept = (request, response) => {
    if (cut || request.url?.endsWith(layer?.digest ?? '-') !== true) return false;
    // Half of it, and then nothing.
    response.writeHead(200, { 'content-length': layer?.bytes.length ?? 0 });
    response.write(layer?.bytes.subarray(0, 50_000));
    return true;
  };
  const argv = [...novaCommand.slice(1), 'template', 'build', '-q', 'killed', '--image', image('killed')];
  const child = spawn(novaCommand[0] ?? '', argv, { env: { ...process.env, ...under.home.env }, stdio: 'ignore' });
  await eventually('half a layer has arrived', async () => (await readdir(layout.oci.partials)).length > 0);
  child.kill('SIGKILL');
  await once(child, 'close');
  cut = true;
  registry.intercept = () => false;
  await createImageSource(layout).rootImage(await loadTemplate(layout, 'killed'), {});
  assert.equal((await engine.templates.inspect('killed')).built, true);
  assert.deepEqual(await readdir(layout.oci.partials), []);
  const { removed } = await engine.storage.collect();
  assert.deepEqual(
    removed.filter(({ kind }) => kind === 'oci-image'),
    [],
  );
  await engine.templates.remove('killed');
  const after_ = await engine.storage.collect();
  assert.ok(after_.removed.filter(({ kind }) => kind === 'oci-image').length >= 3, 'two layers and a config');
});
