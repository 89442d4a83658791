import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import { canAsk, isAgreed } from '../agree.ts';
import { openEngine } from '../open-engine.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';
import { spanOf } from '../render/quantity.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly force?: boolean;
  readonly json?: boolean;
}

export async function rm(refs: readonly string[], { force = false, json = false }: Options): Promise<void> {
  await using engine = await openEngine();
  const { removed, errors } = await removeEach(engine, refs, force);
  if (json) printJson(removed.map((ref) => ({ ref })));
  else process.stdout.write(removed.map((ref) => `${printable(ref)}\n`).join(''));
  for (const error of errors) process.exitCode = await reportError(error, { json, exitCode: 1 });
}

/** One whose memory another one needs can be removed only after that, so it is tried again. */
async function removeEach(
  engine: Engine,
  refs: readonly string[],
  force: boolean,
): Promise<{ readonly removed: readonly string[]; readonly errors: readonly unknown[] }> {
  const { isNovaError } = await import('@novasandbox/protocol');
  const removed: string[] = [];
  const errors: unknown[] = [];
  let waiting = [...new Set(refs)];
  for (let isStuck = false; waiting.length > 0;) {
    const needed: string[] = [];
    for (const ref of waiting) {
      try {
        await engine.snapshots.remove(ref);
        removed.push(ref);
      } catch (error) {
        if (force && isNovaError(error, 'snapshot_not_found')) continue;
        if (isNovaError(error, 'conflict') && !isStuck) needed.push(ref);
        else errors.push(error);
      }
    }
    // The last round tells why.
    isStuck = needed.length === waiting.length;
    waiting = needed;
  }
  return { removed, errors };
}

export async function prune({
  older,
  force = false,
  json = false,
}: Options & { readonly older: number }): Promise<void> {
  if (!force && !canAsk()) {
    throw new UsageError('There is no terminal to ask at: say --force to remove all snapshots of that age.');
  }
  await using engine = await openEngine();
  if (!force) {
    const now = Date.now();
    const rows = (await engine.snapshots.list())
      .map((each) => ({ ...each, age: now - Date.parse(each.createdAt) }))
      .filter(({ age }) => age >= older)
      .map(({ id, name, sandboxName, age }) => `${id}  ${name ?? '-'}  ${sandboxName ?? '-'}  ${spanOf(age)} old`);
    if (rows.length > 0 && !(await isAgreed(rows, 'Remove these snapshots?'))) return;
  }
  const removed = await engine.snapshots.removeOlder(older);
  if (json) printJson(removed);
  else process.stdout.write(removed.map(({ id }) => `${printable(id)}\n`).join(''));
}
