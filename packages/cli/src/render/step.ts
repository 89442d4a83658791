import type { ProgressSink } from '@novasandbox/protocol';

/** Shows a call as one step for as long as it takes. */
export async function asStep<T>(
  sink: ProgressSink,
  { step, label }: { readonly step: string; readonly label: string },
  call: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const tell = (state: 'start' | 'done' | 'failed'): void =>
    sink({ step, label, state, elapsedMs: performance.now() - startedAt });
  tell('start');
  try {
    const result = await call();
    tell('done');
    return result;
  } catch (error) {
    tell('failed');
    throw error;
  }
}
