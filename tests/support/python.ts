import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutAt, withLock } from '@novasandbox/engine';
import { finished, type CliResult } from './nova-cli.ts';

/** The folder of the Python library. */
export const sdkFolder = join(import.meta.dirname, '../../sdks/python');

/** Runs a program to its end. */
export async function program(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd: string = process.cwd(),
): Promise<CliResult> {
  return finished(
    spawn(argv[0] ?? '', argv.slice(1), { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

/** A Python with only these packages. It is made once and kept with the machine's other tools. */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(layoutAt().home, 'toolchain', name);
  const mark = join(folder, '.complete');
  await withLock(`${folder}.lock`, {}, async () => {
    if (existsSync(mark)) return;
    await makePython(folder, packages);
    await writeFile(mark, packages.join('\n'));
  });
  return pythonIn(folder);
}

const pythonIn = (folder: string): string => join(folder, 'bin/python');

async function makePython(folder: string, packages: readonly string[]): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const argv of [
    ['python3', '-m', 'venv', folder],
    [pythonIn(folder), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages],
  ]) {
    const { code, stderr } = await program(argv);
    if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr}`);
  }
}

/** A Python with the requirements of the SDK's pyproject.toml, and the tools to build, check and test it. */
export async function pythonOfSdk(): Promise<string> {
  const manifest = readFileSync(join(sdkFolder, 'pyproject.toml'), 'utf8');
  const packages = [...manifest.matchAll(/^(?:requires|dependencies|test|dev) = \[(.*)\]$/gm)].flatMap(
    ([, list = '']) => [...list.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name),
  );
  const digest = createHash('sha256').update(manifest).digest('hex').slice(0, 16);
  return pythonWith(`novasandbox-python-${digest}`, packages);
}
