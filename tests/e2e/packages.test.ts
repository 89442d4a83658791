import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Sandbox } from 'novasandbox';
import { assertNoLeaks } from '../support/leaks.ts';
import { until } from '../support/nova-cli.ts';
import { bundlers, npmTools, type Project, type Registry } from '../support/npm.ts';
import { compileCommand, registryWithPackages, strictCompiler } from '../support/published.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/**
 * The steps of a new user: install the packages from a registry into an empty project, compile against them, and run
 * them.
 */

let registry: Registry;
let project: Project;

before(async () => {
  registry = await registryWithPackages();
  project = await registry.project('novasandbox', '@types/node@24.19.2');
});
after(() => registry[Symbol.asyncDispose]());

/** Runs `work` with a state folder of its own, which must be empty of leftovers afterwards. */
async function inHome(work: (home: TestHome) => Promise<void>): Promise<void> {
  await using home = await testHome();
  try {
    await work(home);
  } finally {
    for (const { id } of await Sandbox.list({ home: home.home, all: true })) await Sandbox.kill(id, home);
  }
  await assertNoLeaks(home.layout);
}

const typed = `import { Sandbox, isNovaError, type SandboxInfo } from 'novasandbox';
import { createRemoteEngine } from 'novasandbox/remote';

export async function use(): Promise<SandboxInfo[]> {
  await using sandbox = await Sandbox.create({ memoryMb: 256, labels: { of: 'a stranger' } });
  const { exitCode, stdout }: { exitCode: number; stdout: string } = await sandbox.commands.run('true');
  if (exitCode !== 0 || stdout !== '') throw new Error('no');
  // @ts-expect-error A string is no size.
  await Sandbox.create({ memoryMb: '256' }).catch((error: unknown) => isNovaError(error, 'invalid_argument'));
  return Sandbox.list({ engine: createRemoteEngine({ url: 'http://127.0.0.1:8000' }) });
}
`;

test('a package holds what was compiled and what is built on the machine, and no tests', () => {
  const folder = join(project.folder, 'node_modules/novasandbox');
  const files = globSync('**/*', { cwd: folder, exclude: (name) => name === 'node_modules' });
  assert.ok(files.includes('README.md') && files.includes('LICENSE'));
  assert.ok(files.includes('guest/agent/Cargo.lock') && files.includes('templates/base/template.json'));
  const unwanted = files.filter(
    (file) =>
      /(\.test|test-support|(^|\/)(testing|tests|target|bench|lab)(\/|$))/.test(file) || /(?<!\.d)\.ts$/.test(file),
  );
  assert.deepEqual(unwanted, []);
  for (const file of files.filter((each) => each.endsWith('.js') && !/\/(gen|carried)\//.test(each)))
    assert.ok(files.includes(`${file}.map`), `${file} has no source map`);
});

test('a strict compiler that checks libraries too takes its types', async () => {
  await project.write(
    'tsconfig.json',
    JSON.stringify({ compilerOptions: strictCompiler, files: ['typed.ts', 'typed.cts'] }),
  );
  await project.write('typed.ts', typed);
  await project.write(
    'typed.cts',
    `import nova = require('novasandbox');\nexport const kill: Promise<boolean> = nova.Sandbox.kill('box');\n`,
  );
  await project.run(compileCommand);
});

test('nothing of it can be imported but what it exports', async () => {
  await project.write('inside.js', `await import('novasandbox/dist/engine/index.js');`);
  await assert.rejects(project.run([process.execPath, 'inside.js']), /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test('ES modules and CommonJS make sandboxes with the engine in their own process', async () => {
  await inHome(async ({ env }) => {
    const body = `await using sandbox = await Sandbox.create();
console.log((await sandbox.commands.run('echo $((6 * 7))')).stdout.trim());`;
    await project.write('embedded.js', `import { Sandbox } from 'novasandbox';\n${body}`);
    await project.write('embedded.cjs', `const { Sandbox } = require('novasandbox');\n(async () => {\n${body}\n})();`);
    for (const file of ['embedded.js', 'embedded.cjs'])
      assert.equal(await project.run([process.execPath, file], env), '42\n', file);
  });
});

test('the installed command line runs a command in a sandbox, under either name', async () => {
  await inHome(async ({ env }) => {
    for (const name of ['nova', 'novasandbox']) {
      const nova = join(project.folder, 'node_modules/.bin', name);
      assert.equal(await project.run([nova, 'run', '--', 'echo', '42'], env), '42\n');
    }
  });
});

test('a file that was lost is named', async () => {
  await inHome(async ({ env }) => {
    const templates = join(project.folder, 'node_modules/novasandbox/templates');
    await rename(templates, `${templates}-away`);
    try {
      const nova = join(project.folder, 'node_modules/.bin/nova');
      await assert.rejects(project.run([nova, 'create'], env), ({ message }: Error) =>
        message.includes(`The templates are missing: there is no ${templates}.`),
      );
    } finally {
      await rename(`${templates}-away`, templates);
    }
  });
});

test('a bundle that took the engine in says which files it has lost', async () => {
  const modules = await npmTools('bundlers', bundlers);
  const bundle = (...options: readonly string[]): Promise<string> =>
    project.run([
      join(modules, '.bin/esbuild'),
      'made.js',
      '--bundle',
      '--platform=node',
      '--log-level=error',
      ...options,
    ]);
  await project.write(
    'made.js',
    `import { Sandbox } from 'novasandbox';\nSandbox.create({ embedded: true }).catch((error) => console.log(error.message));\n`,
  );
  await bundle('--outfile=bundled.cjs');
  const require = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  await bundle('--format=esm', '--outfile=bundled.mjs', `--banner:js=${require}`);
  await inHome(async ({ env }) => {
    for (const file of ['bundled.cjs', 'bundled.mjs'])
      assert.match(
        await project.run([process.execPath, file], env),
        /^The templates are missing: there is no \//,
        file,
      );
  });
});

test('the installed daemon serves its API and the documents about it', async () => {
  await inHome(async ({ env, layout }) => {
    const nova = join(project.folder, 'node_modules/.bin/nova');
    const child = spawn(nova, ['serve', '--port', '0'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'close');
    try {
      const url = /listens on (\S+)/.exec(await until(child.stdout, '(key in '))?.[1] ?? '';
      for (const path of ['/openapi.json', '/docs/swagger-ui-bundle.js', '/redoc/redoc.standalone.js'])
        assert.equal((await fetch(url + path)).status, 200, path);
      const authorization = `Bearer ${readFileSync(layout.daemon.keyFile, 'utf8').trim()}`;
      const vms = await fetch(`${url}/api/v1/vms`, { headers: { authorization } });
      assert.deepEqual(((await vms.json()) as { vms: unknown }).vms, []);
    } finally {
      child.kill();
      await ended;
    }
  });
});

test('what only a checkout has says so', async () => {
  const nova = join(project.folder, 'node_modules/.bin/nova');
  await assert.rejects(project.run([nova, 'bench']), /works in a checkout of NovaSandbox only/);
});
