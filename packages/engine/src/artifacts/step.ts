import type { ProgressEvent, ProgressSink } from '@novasandbox/protocol';

export type StepUpdate = (detail: string, fraction?: number) => void;

/** Runs a step that takes a while, and reports its start, its updates and its end. */
export async function step<T>(
  progress: ProgressSink | undefined,
  name: string,
  label: string,
  work: (update: StepUpdate) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const tell = (state: ProgressEvent['state'], more: Partial<ProgressEvent> = {}): void => {
    progress?.({ step: name, label, state, elapsedMs: Math.round(performance.now() - startedAt), ...more });
  };
  tell('start');
  try {
    const result = await work((detail, fraction) => {
      tell('update', fraction === undefined ? { detail } : { detail, fraction });
    });
    tell('done', { fraction: 1 });
    return result;
  } catch (error) {
    tell('failed', { detail: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}
