import type { Engine } from '@novasandbox/engine';
import type { ProgressSink, SandboxInfo } from '@novasandbox/protocol';
import { printableName } from '@novasandbox/protocol/visible';
import { tellReasons } from './show.ts';

/** Where a pushed folder is in the sandbox, and where its command runs. */
export const workspacePath = '/workspace';

/** How long what a command leaves behind may be looked at, ms. */
const settlingMs = 120_000;
/** How long a sandbox is kept for its changes, ms. */
const keptMs = 24 * 60 * 60 * 1000;

export interface PushHow {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  readonly quiet: boolean;
}

/** Pushes a folder into a new sandbox. If that fails, the sandbox is removed. */
export async function pushBeforeRun(
  engine: Engine,
  { id }: SandboxInfo,
  folder: string,
  { signal, progress, quiet }: PushHow,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  undo.defer(() => engine.sandboxes.remove(id, { force: true }));
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(id, { engine });
  const { leftOut } = await sandbox.workspace.push(folder, { guestPath: workspacePath, signal, onProgress: progress });
  if (!quiet) tellReasons('left out', leftOut);
  undo.move();
}

/** The fate of the changes that a command made. */
export interface Settled {
  /** Whether the sandbox is kept, because it has changes that are nowhere else. */
  readonly kept: boolean;
  readonly applied: readonly string[];
  /** Paths of changes that were not applied. */
  readonly left: readonly string[];
}

/** Looks at what a command changed, applies it if that was asked for, and decides whether the sandbox is kept. */
export async function settleAfterRun(
  engine: Engine,
  { id }: SandboxInfo,
  { apply, keeps, timeToLive }: { readonly apply: boolean; readonly keeps: boolean; readonly timeToLive: boolean },
): Promise<Settled> {
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(id, { engine });
  const how = { guestPath: workspacePath, signal: AbortSignal.timeout(settlingMs) };
  const applied = apply ? (await sandbox.workspace.apply(how)).applied : [];
  const left = (await sandbox.workspace.diff(how)).changes.filter(({ refused }) => refused === null);
  const kept = keeps && left.length > 0;
  // Nobody may ever come for them.
  if (kept && !timeToLive) await sandbox.setTimeout(keptMs);
  return { kept, applied, left: left.map(({ path }) => path) };
}

export function tellSettled({ id, name }: SandboxInfo, { kept, applied, left }: Settled): void {
  for (const path of applied) process.stderr.write(`nova: applied ${printableName(path)}\n`);
  if (left.length === 0) return;
  const what = left.length === 1 ? '1 change' : `${left.length} changes`;
  const ref = printableName(name ?? id);
  const advice = `"nova diff ${ref}" shows, "nova apply ${ref}" applies, "nova rm -f ${ref}" discards`;
  process.stderr.write(
    kept
      ? `nova: ${what} in the sandbox, which is kept for a day: ${advice}.\n`
      : `nova: ${what} went with the sandbox.\n`,
  );
}
