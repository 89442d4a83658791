import type { Command } from 'commander';
import type { Engine } from '@novasandbox/engine';
import type { CopyPath } from './args/copy-path.ts';
import { parseMemorySize } from './args/memory-size.ts';
import type { CopyOptions, CopyResult } from './copy/copy-options.ts';
import { openEngine } from './open-engine.ts';
import { Interrupts } from './process/interrupts.ts';
import { printJson, toJson } from './render/json.ts';
import { showProgress } from './render/progress.ts';

export interface CopyingOptions {
  readonly archive?: boolean;
  readonly user?: string;
  readonly maxSize: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Adds the arguments and options of a verb that copies. */
export function addCopyOptions(command: Command, inside: 'sandbox' | 'volume'): Command {
  return command
    .usage('[options] <source...> <destination>')
    .argument('<source...>', `paths of the host, ${inside}:path, or - for stdin; the last one is the destination`)
    .option('-a, --archive', 'the stream is a tar archive')
    .option('-u, --user <user>', `owner of files created in the ${inside} (default: the sandbox's user)`)
    .option(
      '--max-size <size>',
      `limit of the data taken from a ${inside}: MiB, 512m or 2g`,
      parseMemorySize,
      16 * 1024,
    )
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what was copied as JSON');
}

/** Runs a copy, with its progress, until it ends or is interrupted, and prints its result where that was asked for. */
export async function copying(
  options: CopyingOptions,
  destination: CopyPath,
  copy: (engine: Engine, how: CopyOptions) => Promise<CopyResult>,
): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const result = await copy(engine, {
      user: options.user,
      archive: options.archive ?? false,
      maxBytes: options.maxSize * 1024 * 1024,
      signal: interrupts.signal,
      progress: progress.sink,
    });
    if (options.json === true) (destination.kind === 'stream' ? toStderr : printJson)(result);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

/** Prints the result to stderr, because stdout holds the copied data. */
function toStderr(result: CopyResult): void {
  process.stderr.write(`${toJson(result)}\n`);
}
