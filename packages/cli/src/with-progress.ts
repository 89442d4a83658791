import type { Engine } from '@novasandbox/engine';
import type { ProgressSink } from '@novasandbox/protocol';
import { openEngine } from './open-engine.ts';
import { Interrupts } from './process/interrupts.ts';
import { showProgress } from './render/progress.ts';

/** The context of a call that can be interrupted and that shows its progress. */
export interface Shown {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** Does the work of a verb with an engine. An interrupt cancels it and decides the exit code. */
export async function withProgress(
  { quiet = false, json = false }: { readonly quiet?: boolean; readonly json?: boolean },
  work: (engine: Engine, shown: Shown) => Promise<void>,
): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: quiet || json });
    await work(engine, { signal: interrupts.signal, progress: progress.sink });
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
