import type { Engine } from '@novasandbox/engine';

/** The engine of this process. Loaded when a verb needs it: help, version and mistyped verbs answer without. */
export async function openEngine(): Promise<Engine> {
  const { createEngine } = await import('@novasandbox/engine');
  return createEngine();
}
