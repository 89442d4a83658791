import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { pythonOfSdk } from '../support/python.ts';
import type { Job } from './jobs.ts';
import { say, type Tally } from './tally.ts';

const root = join(import.meta.dirname, '../..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const phase = 'checks of the source';

/** Checks without a sandbox: the source in all its languages, and the agent by its own tests. */
export function checks(tally: Tally): Job[] {
  const job = (name: string, run: () => Promise<void>): Job => ({ name, phase, beside: true, run });
  return [
    job('agent', () => checkAgent(tally)),
    job('lint', () => check(tally, 'lint', [bin('oxlint'), '--type-aware', '--deny-warnings'])),
    job('nothing unused', () => check(tally, 'nothing unused', [bin('knip'), '--no-progress'])),
    job('types', () => check(tally, 'types', [bin('tsc'), '--noEmit', '-p', '.'])),
    job('format', () => check(tally, 'format', [bin('prettier'), '--check', '.'])),
    job('confiner', () => checkConfiner(tally)),
    job('listener', () => checkListener(tally)),
    job('python', () => checkPython(tally)),
  ];
}

async function command(
  name: string,
  argv: readonly string[],
  cwd = root,
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; output: string; seconds: string }> {
  const startedAt = performance.now();
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('error', (error) => {
    output += `${name}: ${error.message}`;
    resolve(127);
  });
  child.on('close', (code) => resolve(code ?? 1));
  const code = await promise;
  return { code, output, seconds: `${((performance.now() - startedAt) / 1000).toFixed(1)} s` };
}

async function check(tally: Tally, name: string, argv: readonly string[], cwd?: string): Promise<void> {
  const { code, output, seconds } = await command(name, argv, cwd);
  if (code === 0) tally.pass(name, seconds);
  else tally.fail(name, output.trim());
}

/** A check by a tool that set-up installs for the tests: the run fails without it. */
async function checkWith(
  tally: Tally,
  name: string,
  tool: readonly string[],
  args: readonly string[],
  cwd: string,
): Promise<void> {
  if ((await command(name, [...tool, '--version'], cwd)).code === 0) return check(tally, name, [...tool, ...args], cwd);
  const remedy =
    'apt-get install rust-clippy rustfmt (Debian 12: rust-web-clippy rustfmt-web), or rustup component add clippy rustfmt';
  tally.fail(name, `${tool.join(' ')} does not run: ${remedy}`);
}

/** The programs of the tests are not optimised as a whole, which would take far longer than the tests themselves. */
const quickBuild = { CARGO_PROFILE_RELEASE_LTO: 'off', CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16' };

async function checkAgent(tally: Tally): Promise<void> {
  const agent = join(root, 'guest/agent');
  await checkWith(tally, 'agent: format', ['cargo', 'fmt'], ['--check'], agent);
  const lint = ['--release', '--all-targets', '--', '-D', 'warnings'];
  await checkWith(tally, 'agent: clippy', ['cargo', 'clippy'], lint, agent);
  const { code, output, seconds } = await command('agent: tests', ['cargo', 'test', '--release'], agent, quickBuild);
  const results = [...output.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g)];
  const sum = (group: number): number => results.reduce((total, result) => total + Number(result[group]), 0);
  tally.count('passed', sum(1));
  tally.count('failed', sum(2));
  tally.count('skipped', sum(3));
  say(`agent: ${sum(1)} tests passed, ${sum(2)} failed ${styleText('gray', seconds)}`);
  if (code === 0) return;
  // A failed build has no results of its own.
  if (sum(2) === 0) tally.count('failed', 1);
  say(output.trim());
}

async function checkConfiner(tally: Tally): Promise<void> {
  const confiner = join(root, 'host/confine');
  await checkWith(tally, 'confiner: format', ['cargo', 'fmt'], ['--check'], confiner);
  // Its library has no standard library, which a test would link.
  const lint = ['--release', '--lib', '--bins', '--', '-D', 'warnings'];
  await checkWith(tally, 'confiner: clippy', ['cargo', 'clippy'], lint, confiner);
}

async function checkListener(tally: Tally): Promise<void> {
  const listener = join(root, 'host/listen');
  await checkWith(tally, 'listener: format', ['cargo', 'fmt'], ['--check'], listener);
  await checkWith(tally, 'listener: clippy', ['cargo', 'clippy'], ['--release', '--', '-D', 'warnings'], listener);
  await check(tally, 'listener: tests', ['cargo', 'test'], listener);
}

async function checkPython(tally: Tally): Promise<void> {
  let python: string;
  try {
    python = await pythonOfSdk();
  } catch (error) {
    return tally.fail('python: ruff', String(error));
  }
  await check(tally, 'python: lint', [python, '-m', 'ruff', 'check', '--no-cache', '--quiet', '.']);
  await check(tally, 'python: format', [python, '-m', 'ruff', 'format', '--no-cache', '--quiet', '--check', '.']);
  await check(tally, 'spelling', [python, '-m', 'codespell_lib']);
}
