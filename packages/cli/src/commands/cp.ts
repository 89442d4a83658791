import type { Command } from 'commander';
import { parseCopyPath } from '../args/copy-path.ts';
import { parseMemorySize } from '../args/memory-size.ts';
import type { CopyOptions, CopyResult } from '../copy/copy-options.ts';
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
    .argument('<source>', 'path of the host, sandbox:path, or - for stdin')
    .argument('<destination>', 'sandbox:path, path of the host, or - for stdout')
    .option('-a, --archive', 'the stream is a tar archive')
    .option('-u, --user <user>', "owner of what is made in the sandbox (default: the sandbox's user)")
    .option('--max-size <size>', 'most that is taken from a sandbox: MiB, 512m or 2g', parseMemorySize, 16 * 1024)
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what was copied as JSON')
    .addHelpText(
      'after',
      `
A file or directory goes into the destination where that is a directory, and becomes it else; "folder/." means what is in the folder.
What comes from a sandbox is not trusted: nothing is written outside the destination, links that lead out and devices are left
out and told.

Examples:
  nova cp ./project box:/home/user/
  nova cp box:/home/user/report.pdf .
  echo '{}' | nova cp - box:/etc/app/config.json
  nova cp box:/var/log - | tar t
  tar c src | nova cp --archive - box:/build`,
    )
    .action((source: string, destination: string, options: Options) => cp(source, destination, options));
}

async function cp(from: string, to: string, options: Options): Promise<void> {
  const source = parseCopyPath(from);
  const destination = parseCopyPath(to);
  if ((source.kind === 'sandbox') === (destination.kind === 'sandbox')) {
    throw new UsageError('One side must be in a sandbox (sandbox:path), the other on the host.');
  }
  const ref = source.kind === 'sandbox' ? source.ref : destination.kind === 'sandbox' ? destination.ref : '';
  const { Sandbox } = await import('novasandbox');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    await using sandbox = await Sandbox.connect(ref, { engine });
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const how: CopyOptions = {
      user: options.user,
      archive: options.archive ?? false,
      maxBytes: options.maxSize * 1024 * 1024,
      signal: interrupts.signal,
      progress: progress.sink,
    };
    let result: CopyResult;
    if (source.kind === 'sandbox') {
      const copy = await import('../copy/from-sandbox.ts');
      result =
        destination.kind === 'host'
          ? await copy.copyFromSandbox(sandbox, source.path, destination.path, how)
          : await copy.copyFromSandboxToStream(sandbox, source.path, process.stdout, how);
    } else if (destination.kind === 'sandbox') {
      const copy = await import('../copy/to-sandbox.ts');
      result =
        source.kind === 'host'
          ? await copy.copyToSandbox(sandbox, source.path, destination.path, how)
          : await copy.copyStreamToSandbox(sandbox, process.stdin, destination.path, how);
    } else {
      return;
    }
    for (const { path, reason } of result.skipped) {
      process.stderr.write(`nova: left out ${printableName(path)}: ${printableName(reason)}\n`);
    }
    if (options.json === true) (destination.kind === 'stream' ? toStderr : printJson)(result);
  } catch (error) {
    if (interrupts.signal.aborted) {
      process.exitCode = interrupts.exitCode;
      return;
    }
    throw error;
  }
}

/** Stdout holds what was copied. */
function toStderr(result: CopyResult): void {
  process.stderr.write(`${toJson(result)}\n`);
}
