import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compiledPrivateNames, root } from './workspace.ts';

/**
 * Compiles the workspace without its tests, for example to `<into>/packages/sdk/src/index.js` with its `.d.ts` and
 * source map.
 */
export async function compile(into: string): Promise<void> {
  mkdirSync(into, { recursive: true });
  // Makes the compiled modules importable where they lie.
  writeFileSync(join(into, 'package.json'), JSON.stringify({ type: 'module', imports: compiledPrivateNames() }));
  symlinkSync(join(root, 'node_modules'), join(into, 'node_modules'));
  await runProgram([
    process.execPath,
    join(root, 'node_modules/typescript/bin/tsc'),
    '--project',
    join(root, 'build/tsconfig.json'),
    '--outDir',
    into,
  ]);
}

/** Runs a program to its end; if it fails, its output is part of the error. */
export async function runProgram(argv: readonly string[], cwd: string = root): Promise<string> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${said}`);
  return output;
}
