import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import type { SnapshotInfo } from '@novasandbox/protocol';
import { isGone } from '../is-gone.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { bytesOf, spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';
import { treeOf } from './tree.ts';

interface Options {
  readonly tree?: boolean;
  readonly quiet?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

export async function ls(of: string | undefined, options: Options): Promise<void> {
  await using engine = await openEngine();
  const found = await list(engine, of, options);
  if (options.json === true) printJson(found);
  else if (options.quiet === true) process.stdout.write(found.map(({ id }) => `${printable(id)}\n`).join(''));
  else process.stdout.write(options.tree === true ? renderTree(found) : renderList(found));
}

async function list(engine: Engine, of: string | undefined, { label }: Options): Promise<SnapshotInfo[]> {
  const found = await engine.snapshots.list(label === undefined ? {} : { labels: label });
  if (of === undefined) return found;
  const id = await engine.sandboxes.get(of).then(
    (sandbox) => sandbox.id,
    (error: unknown) => {
      if (!isGone(error)) throw error;
      return of;
    },
  );
  // Of a sandbox that has been removed, its name may be all that is known.
  return found.filter(({ sandboxId, sandboxName }) => sandboxId === id || (id === of && sandboxName === of));
}

export async function inspect(refs: readonly string[]): Promise<void> {
  await using engine = await openEngine();
  printJson(await Promise.all(refs.map((ref) => engine.snapshots.get(ref))));
}

export async function stats({ json = false }: { readonly json?: boolean }): Promise<void> {
  await using engine = await openEngine();
  const sum = await engine.snapshots.statistics();
  if (json) return printJson(sum);
  const rows = sum.bySandbox.map(({ sandboxId, count, totalBytes }) => [sandboxId, String(count), bytesOf(totalBytes)]);
  process.stdout.write(
    renderTable(['SANDBOX', 'SNAPSHOTS', 'SIZE'], [...rows, ['all', String(sum.count), bytesOf(sum.totalBytes)]]),
  );
}

const facts = ['SANDBOX', 'KIND', 'CREATED', 'SIZE', 'STOOD STILL', 'DESCRIPTION'];

const renderList = (snapshots: readonly SnapshotInfo[]): string =>
  renderTable(
    ['ID', 'NAME', ...facts],
    snapshots.map((each) => [each.id, each.name ?? '-', ...factsOf(each)]),
  );

const renderTree = (snapshots: readonly SnapshotInfo[]): string =>
  renderTable(
    ['SNAPSHOT', ...facts],
    treeOf(snapshots).map(({ branch, node }) => [
      `${branch}${node.id}${node.name === null ? '' : ` (${node.name})`}`,
      ...factsOf(node),
    ]),
  );

function factsOf(snapshot: SnapshotInfo): string[] {
  const { sandboxName, sandboxId, kind, createdAt, memoryBytes, diskBytes, stoppedMs, description } = snapshot;
  return [
    sandboxName ?? sandboxId,
    kind,
    `${spanOf(Date.now() - Date.parse(createdAt))} ago`,
    bytesOf(memoryBytes + diskBytes),
    `${Math.round(stoppedMs)} ms`,
    shortened(description ?? ''),
  ];
}

const longestDescription = 60;

const shortened = (text: string): string =>
  text.length <= longestDescription ? text : `${text.slice(0, longestDescription - 1)}…`;
