import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { styleText } from 'node:util';
import { createEngine, guestArchitectures, hostArchitecture, layoutAt, type Engine } from '@novasandbox/engine';
import type { ArchitectureName } from '@novasandbox/protocol';
import { findLeaks } from './support/leaks.ts';
import { pythonOfSdk } from './support/python.ts';
import { failedText, outcomeOf, passedText, skippedText } from './support/outcome.ts';

/**
 * The whole test run: checks of the source, the agent's tests, unit, conformance and end-to-end tests, and in the end a look for anything left
 * behind. Arguments are parts of file names: only test files that contain one of them run, and nothing else.
 */
const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const pass = (name: string, detail = ''): void => {
  passed++;
  say(passedText(name, detail));
};
const fail = (name: string, detail: string): void => {
  failed++;
  say(failedText(name, detail));
};

async function command(
  name: string,
  argv: readonly string[],
  cwd = root,
): Promise<{ code: number; output: string; seconds: string }> {
  const startedAt = performance.now();
  const child = spawn(argv[0] ?? '', argv.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
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

async function check(name: string, argv: readonly string[], cwd?: string): Promise<void> {
  const { code, output, seconds } = await command(name, argv, cwd);
  if (code === 0) pass(name, seconds);
  else fail(name, output.trim());
}

/** A check by a tool that not every distribution of Rust brings along: skipped, and said to be, where it is missing. */
async function checkWith(name: string, tool: readonly string[], args: readonly string[], cwd: string): Promise<void> {
  if ((await command(name, [...tool, '--version'], cwd)).code === 0) return check(name, [...tool, ...args], cwd);
  skipped++;
  say(skippedText(name, `${tool.join(' ')} is not installed`));
}

async function agentTests(): Promise<void> {
  const agent = join(root, 'guest/agent');
  await checkWith('agent: format', ['cargo', 'fmt'], ['--check'], agent);
  await checkWith('agent: clippy', ['cargo', 'clippy'], ['--release', '--all-targets', '--', '-D', 'warnings'], agent);
  const confiner = join(root, 'host/confine');
  await checkWith('confiner: format', ['cargo', 'fmt'], ['--check'], confiner);
  await checkWith('confiner: clippy', ['cargo', 'clippy'], ['--release', '--', '-D', 'warnings'], confiner);
  const { code, output, seconds } = await command('agent: tests', ['cargo', 'test', '--release'], agent);
  const results = [...output.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g)];
  const sum = (group: number): number => results.reduce((total, result) => total + Number(result[group]), 0);
  passed += sum(1);
  failed += sum(2);
  skipped += sum(3);
  say(`agent: ${sum(1)} tests passed, ${sum(2)} failed ${styleText('gray', seconds)}`);
  if (code !== 0) {
    // A build that fails has no results of its own.
    if (sum(2) === 0) failed++;
    say(output.trim());
  }
}

async function pythonChecks(): Promise<void> {
  let python: string;
  try {
    python = await pythonOfSdk();
  } catch (error) {
    return fail('python: ruff', String(error));
  }
  await check('python: lint', [python, '-m', 'ruff', 'check', '--no-cache', '--quiet', '.']);
  await check('python: format', [python, '-m', 'ruff', 'format', '--no-cache', '--quiet', '--check', '.']);
}

/** Runs test files, each in a process of its own. */
async function nodeTests(title: string, patterns: readonly string[], concurrency: number): Promise<void> {
  const files = patterns
    .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
    .map((file) => join(root, file));
  if (files.length === 0) return;
  say(styleText('bold', `\n${title}`));
  const events = run({ files, concurrency, execArgv: ['--disable-warning=ExperimentalWarning'], timeout: 600_000 });
  for await (const event of events) {
    const outcome = outcomeOf(event);
    if (outcome === null) continue;
    if (outcome.result === 'passed') passed++;
    else if (outcome.result === 'failed') failed++;
    else skipped++;
    say(outcome.text);
  }
}

/** Emulated guests take a while to be made: only where the tests that have them run, and where they can. */
async function foreignBuilds(engine: Engine): Promise<{ id: string; architecture: ArchitectureName }[]> {
  if (wanted.length > 0 && !wanted.some((part) => 'tests/e2e/foreign.test.ts'.includes(part))) return [];
  const builds: { id: string; architecture: ArchitectureName }[] = [];
  for (const { name: architecture } of guestArchitectures().slice(1)) {
    const reports = await engine.hypervisors({ architecture });
    if (reports.some(({ probe }) => probe.available)) builds.push({ id: 'linux-default', architecture });
  }
  return builds;
}

/** What the tests clone: built before, so that no test's time limit has to allow for it. */
async function prepare(): Promise<void> {
  say(styleText('bold', '\ntemplates'));
  await using engine = await createEngine();
  const own = hostArchitecture().name;
  const builds = [
    { id: 'base', architecture: own },
    { id: 'linux-default', architecture: own },
    ...(await foreignBuilds(engine)),
  ];
  for (const { id, architecture } of builds) {
    const what = `template ${id} is built for ${architecture}`;
    const startedAt = performance.now();
    try {
      await engine.templates.build(
        id,
        { architecture },
        { progress: ({ state, label }) => void (state === 'start' && say(`  ${label}`)) },
      );
      pass(what, `${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    } catch (error) {
      fail(what, String(error));
    }
  }
}

// Sandboxes that somebody has on this machine are not the tests'.
const foundBefore = new Set(await findLeaks(layoutAt()));

if (wanted.length === 0) {
  await check('types', [bin('tsc'), '--noEmit', '-p', '.']);
  await check('lint', [bin('oxlint'), '--type-aware', '--deny-warnings']);
  await check('format', [bin('prettier'), '--check', '.']);
  await pythonChecks();
  await agentTests();
}
await nodeTests('unit', ['packages/*/src/**/*.test.ts', 'bench/**/*.test.ts', 'tests/*.test.ts'], 2);
await prepare();
await nodeTests('conformance', ['tests/conformance/**/*.test.ts', 'tests/wire/**/*.test.ts'], 1);
await nodeTests('end to end', ['tests/e2e/**/*.test.ts', 'examples/**/*.test.ts', 'docs/**/*.test.ts'], 1);

const leaks = (await findLeaks(layoutAt())).filter((leak) => !foundBefore.has(leak));
if (leaks.length === 0) pass('nothing is left behind');
else fail('nothing is left behind', leaks.join('\n'));

say(`\n${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
