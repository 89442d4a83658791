import { printableName } from '@novasandbox/protocol/visible';
import type { Sandbox } from 'novasandbox';
import type { CopyPath } from '../args/copy-path.ts';
import { UsageError } from '../usage-error.ts';
import type { CopyOptions, CopyResult } from './copy-options.ts';
import { directoryAt } from './directory-at.ts';

/** The sandbox that a path before the colon leads to. Disposing gives it back. */
export interface Opened extends AsyncDisposable {
  readonly sandbox: Sandbox;
  /** Where a path after the colon is in it. */
  readonly at: (path: string) => string;
}
export type Open = (ref: string) => Promise<Opened>;

/** @throws UsageError unless one side lies on the host and the other in a sandbox or a volume */
export function splitPaths(
  paths: readonly CopyPath[],
  inside: 'sandbox' | 'volume',
): { readonly sources: readonly CopyPath[]; readonly destination: CopyPath } {
  const [destination, sources] = [paths.at(-1), paths.slice(0, -1)];
  if (destination === undefined || sources.length === 0) throw new UsageError('Say what to copy, and where to.');
  if (sources.some(({ kind }) => (kind === 'sandbox') === (destination.kind === 'sandbox'))) {
    throw new UsageError(`One side must be in a ${inside} (${inside}:path), the other on the host.`);
  }
  if (sources.length > 1 && [...sources, destination].some(({ kind }) => kind === 'stream')) {
    throw new UsageError('Several sources can be neither read from stdin nor written to stdout: copy them one by one.');
  }
  return { sources, destination };
}

/** Copies each source to the destination, in order, and reports what was left out. */
export async function copyAll(
  { sources, destination }: ReturnType<typeof splitPaths>,
  open: Open,
  how: CopyOptions,
): Promise<CopyResult> {
  const target = sources.length > 1 ? await directoryAt(open, destination, how) : destination;
  const results: CopyResult[] = [];
  for (const source of sources) results.push(await copy(open, source, target, how));
  const skipped = results.flatMap((result) => result.skipped);
  for (const { path, reason } of skipped) {
    process.stderr.write(`nova: left out ${printableName(path)}: ${printableName(reason)}\n`);
  }
  const sum = (of: 'entries' | 'bytes'): number => results.reduce((total, result) => total + result[of], 0);
  return { entries: sum('entries'), bytes: sum('bytes'), skipped };
}

/** Copies one source. Either the source or the destination is inside. */
async function copy(open: Open, source: CopyPath, destination: CopyPath, how: CopyOptions): Promise<CopyResult> {
  if (source.kind === 'sandbox') {
    await using opened = await open(source.ref);
    const { sandbox } = opened;
    const { copyFromSandbox, copyFromSandboxToStream } = await import('./from-sandbox.ts');
    return destination.kind === 'host'
      ? await copyFromSandbox(sandbox, opened.at(source.path), destination.path, how)
      : await copyFromSandboxToStream(sandbox, opened.at(source.path), process.stdout, how);
  }
  const { ref, path } = destination.kind === 'sandbox' ? destination : { ref: '', path: '' };
  await using opened = await open(ref);
  const { sandbox } = opened;
  const { copyToSandbox, copyStreamToSandbox } = await import('./to-sandbox.ts');
  return source.kind === 'host'
    ? await copyToSandbox(sandbox, source.path, opened.at(path), how)
    : await copyStreamToSandbox(sandbox, process.stdin, opened.at(path), how);
}
