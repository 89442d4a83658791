import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { stdin, stdout } from 'node:process';
import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import type { SnapshotInfo } from '@novasandbox/protocol';
import { Counter } from '../copy/counted.ts';
import { printJson } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';
import { withProgress, type Shown } from '../with-progress.ts';

/** The guest's memory is in it. */
const ownerOnly = 0o600;

interface Options {
  readonly name?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export async function save(ref: string, file: string, options: Options): Promise<void> {
  if (file === '-' && options.json === true)
    throw new UsageError('--json does not go with -: the snapshot itself is on stdout.');
  if (file === '-' && stdout.isTTY)
    throw new UsageError('A terminal cannot show a snapshot: name a file, or use a pipe.');
  await withProgress(options, async (engine, shown) => {
    const bytes = await write(engine, ref, file, shown);
    if (options.json === true) printJson({ ref, file, bytes });
    else if (file !== '-') stdout.write(`${printable(file)}\n`);
  });
}

/** Writes a snapshot to a file or to stdout; resolves to the number of bytes. */
async function write(engine: Engine, ref: string, file: string, { signal, progress }: Shown): Promise<number> {
  const { writeHostFile } = await import('../copy/host-file.ts');
  const counter = new Counter(`Saving ${ref}`, progress);
  await using content = await engine.snapshots.save(ref, { signal });
  if (file !== '-') await writeHostFile(file, counter.count(content), ownerOnly);
  else {
    for await (const part of counter.count(content)) {
      if (!stdout.write(part)) await once(stdout, 'drain', { signal });
    }
  }
  return counter.bytes;
}

export async function load(file: string, options: Options): Promise<void> {
  await withProgress(options, async (engine, shown) => {
    const loaded = await read(engine, file, options.name, shown);
    if (options.json === true) printJson(loaded);
    else stdout.write(`${printable(loaded.id)}\n`);
  });
}

/** Reads a snapshot from a file or from stdin. */
async function read(engine: Engine, file: string, name: string | undefined, shown: Shown): Promise<SnapshotInfo> {
  const { signal, progress } = shown;
  const { hostFileError } = await import('novasandbox');
  const from = (source: AsyncIterable<Uint8Array>, size?: number): Promise<SnapshotInfo> => {
    const counter = new Counter(`Loading ${file === '-' ? 'stdin' : file}`, progress, size);
    return engine.snapshots.load(counter.count(source), { name }, { signal });
  };
  if (file === '-') return from(stdin);
  try {
    const { size } = await stat(file);
    return await from(createReadStream(file, { highWaterMark: 1_048_576 }), size);
  } catch (error) {
    throw hostFileError(error);
  }
}
