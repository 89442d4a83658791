import type { Engine } from '@novasandbox/engine';
import type { ConnectionFlags } from './args/connection-options.ts';

let flags: ConnectionFlags = {};

/** What the command line says of where to work; the verbs need not know. */
export function connectAs(given: ConnectionFlags): void {
  flags = given;
}

/** The engine of this process, or a daemon's. Loaded when a verb needs it: help, version and mistyped verbs answer without. */
export async function openEngine(): Promise<Engine> {
  const { chooseBackend, openBackend } = await import('novasandbox/backend');
  return openBackend(chooseBackend(flags));
}
