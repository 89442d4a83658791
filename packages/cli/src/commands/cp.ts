import type { Command } from 'commander';
import type { Engine } from '@novasandbox/engine';
import { parseCopyPath, type CopyPath } from '../args/copy-path.ts';
import { parseMemorySize } from '../args/memory-size.ts';
import type { CopyOptions, CopyResult } from '../copy/copy-options.ts';
import { directoryAt } from '../copy/directory-at.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson, toJson } from '../render/json.ts';
import { printableName } from '@novasandbox/protocol/visible';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly archive?: boolean;
  readonly user?: string;
  readonly maxSize: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .usage('[options] <source...> <destination>')
    .argument('<source...>', 'paths of the host, sandbox:path, or - for stdin; the last one is the destination')
    .option('-a, --archive', 'the stream is a tar archive')
    .option('-u, --user <user>', "owner of what is made in the sandbox (default: the sandbox's user)")
    .option('--max-size <size>', 'most that is taken from a sandbox: MiB, 512m or 2g', parseMemorySize, 16 * 1024)
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what was copied as JSON')
    .addHelpText(
      'after',
      `
A file or directory goes into the destination where that is a directory, and becomes it else; "folder/." means what is in the folder.
Several sources go into a directory that is there; the first one that cannot be copied ends the copying.
What comes from a sandbox is not trusted: nothing is written outside the destination, links that lead out and devices are left
out and told.

Examples:
  nova cp ./project box:/home/user/
  nova cp box:/home/user/report.pdf .
  nova cp setup.py README.md src box:/home/user/
  echo '{}' | nova cp - box:/etc/app/config.json
  nova cp box:/var/log - | tar t
  tar c src | nova cp --archive - box:/build`,
    )
    .action((paths: string[], options: Options) => cp(paths.map(parseCopyPath), options));
}

async function cp(paths: readonly CopyPath[], options: Options): Promise<void> {
  const [destination, sources] = [paths.at(-1), paths.slice(0, -1)];
  if (destination === undefined || sources.length === 0) throw new UsageError('Say what to copy, and where to.');
  if (sources.some(({ kind }) => (kind === 'sandbox') === (destination.kind === 'sandbox'))) {
    throw new UsageError('One side must be in a sandbox (sandbox:path), the other on the host.');
  }
  if (sources.length > 1 && [...sources, destination].some(({ kind }) => kind === 'stream')) {
    throw new UsageError('Several sources can be neither read from stdin nor written to stdout: copy them one by one.');
  }
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const how: CopyOptions = {
      user: options.user,
      archive: options.archive ?? false,
      maxBytes: options.maxSize * 1024 * 1024,
      signal: interrupts.signal,
      progress: progress.sink,
    };
    const target = sources.length > 1 ? await directoryAt(engine, destination, how) : destination;
    const results: CopyResult[] = [];
    for (const source of sources) results.push(await copy(engine, source, target, how));
    const skipped = results.flatMap((result) => result.skipped);
    for (const { path, reason } of skipped) {
      process.stderr.write(`nova: left out ${printableName(path)}: ${printableName(reason)}\n`);
    }
    const sum = (of: 'entries' | 'bytes'): number => results.reduce((total, result) => total + result[of], 0);
    if (options.json === true)
      (destination.kind === 'stream' ? toStderr : printJson)({ entries: sum('entries'), bytes: sum('bytes'), skipped });
  } catch (error) {
    if (interrupts.signal.aborted) {
      process.exitCode = interrupts.exitCode;
      return;
    }
    throw error;
  }
}

/** Copies one source. One of the two sides is in a sandbox. */
async function copy(engine: Engine, source: CopyPath, destination: CopyPath, how: CopyOptions): Promise<CopyResult> {
  const { Sandbox } = await import('novasandbox');
  if (source.kind === 'sandbox') {
    await using sandbox = await Sandbox.connect(source.ref, { engine });
    const { copyFromSandbox, copyFromSandboxToStream } = await import('../copy/from-sandbox.ts');
    return destination.kind === 'host'
      ? await copyFromSandbox(sandbox, source.path, destination.path, how)
      : await copyFromSandboxToStream(sandbox, source.path, process.stdout, how);
  }
  const { ref, path } = destination.kind === 'sandbox' ? destination : { ref: '', path: '' };
  await using sandbox = await Sandbox.connect(ref, { engine });
  const { copyToSandbox, copyStreamToSandbox } = await import('../copy/to-sandbox.ts');
  return source.kind === 'host'
    ? await copyToSandbox(sandbox, source.path, path, how)
    : await copyStreamToSandbox(sandbox, process.stdin, path, how);
}

/** Stdout holds what was copied. */
function toStderr(result: CopyResult): void {
  process.stderr.write(`${toJson(result)}\n`);
}
