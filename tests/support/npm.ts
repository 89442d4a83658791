import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutAt, withLock } from '@novasandbox/engine';
import { freePort } from './free-port.ts';
import { until } from './nova-cli.ts';
import { program } from './python.ts';

export interface Tools {
  readonly dependencies: Readonly<Record<string, string>>;
  /** npm's field of that name: versions of indirect dependencies. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/**
 * Programs from npm's registry that few tests need. They are installed once, and kept with the machine's other tools.
 * Returns their node_modules.
 */
export async function npmTools(name: string, tools: Tools): Promise<string> {
  const folder = join(layoutAt().home, 'toolchain', name);
  const mark = join(folder, '.complete');
  const manifest = JSON.stringify({ private: true, ...tools }, null, 2);
  await withLock(`${folder}.lock`, {}, async () => {
    if (existsSync(mark) && readFileSync(mark, 'utf8') === manifest) return;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), manifest);
    await succeed(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], folder);
    await writeFile(mark, manifest);
  });
  return join(folder, 'node_modules');
}

/** Runs a program in a folder to its end; resolves to its stdout, and throws with all its output when it fails. */
export async function succeed(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await program(argv, env, cwd);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** A registry on this machine: packages published to it, and all others from npm's own. */
export interface Registry extends AsyncDisposable {
  publish(tarball: string): Promise<void>;
  /** An empty project that has installed only these packages from the registry. */
  project(...packages: string[]): Promise<Project>;
}

export interface Project {
  readonly folder: string;
  write(file: string, text: string): Promise<void>;
  /** Runs a program in the project. */
  run(argv: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>;
}

export const bundlers: Tools = { dependencies: { esbuild: '0.28.2', vite: '8.4.0', webpack: '5.113.0' } };

const verdaccio: Tools = {
  dependencies: { verdaccio: '6.10.4' },
  // It requires a tag that its authors have since removed.
  overrides: { 'verdaccio-audit': { 'node-fetch': '2.7.0' } },
};

export async function startRegistry(): Promise<Registry> {
  const modules = await npmTools('verdaccio', verdaccio);
  const folder = await mkdtemp(join(tmpdir(), 'nova-registry-'));
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(folder, 'config.yaml');
  await writeFile(config, JSON.stringify(configuration(folder)));
  const child = spawn(
    process.execPath,
    [join(modules, 'verdaccio/bin/verdaccio'), '--config', config, '--listen', address],
    { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const ended = once(child, 'close');
  await until(child.stdout, 'http address');
  child.stdout.resume();
  // A token without a user: npm does not publish without one.
  const settings = `registry=http://${address}/\n//${address}/:_authToken=none\naudit=false\nfund=false\nupdate-notifier=false\n`;
  await writeFile(join(folder, '.npmrc'), settings);
  return {
    async publish(tarball) {
      await succeed(['npm', 'publish', '--loglevel=error', '--tag=latest', tarball], folder);
    },
    async project(...packages) {
      const own = await mkdtemp(join(folder, 'project-'));
      await writeFile(join(own, '.npmrc'), settings);
      await writeFile(join(own, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
      await succeed(['npm', 'install', '--ignore-scripts', '--loglevel=error', ...packages], own);
      return {
        folder: own,
        write: (file, text) => writeFile(join(own, file), text),
        run: (argv, env) => succeed(argv, own, env),
      };
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const configuration = (folder: string) => ({
  storage: join(folder, 'storage'),
  uplinks: { npm: { url: 'https://registry.npmjs.org/' } },
  packages: {
    novasandbox: { access: '$all', publish: '$all' },
    '@novasandbox/*': { access: '$all', publish: '$all' },
    '**': { access: '$all', proxy: 'npm' },
  },
  max_body_size: '50mb',
  log: { type: 'stdout', format: 'json', level: 'warn' },
  web: { enable: false },
});
