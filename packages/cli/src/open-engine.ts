import type { Engine } from '@novasandbox/engine';
import type { ConnectionFlags } from './args/connection-options.ts';
import { UsageError } from './usage-error.ts';

let flags: ConnectionFlags = {};

const warning =
  'nova: a key in --api-key can be read by every user of this machine: use --api-key-file or NOVA_API_KEY.\n';

/** What the command line says of where to work; the verbs need not know. */
export function connectAs({ json, ...given }: ConnectionFlags & { readonly json?: unknown }): void {
  if (given.embedded === true && given.apiUrl !== undefined)
    throw new UsageError('--embedded does not go with --api-url.');
  flags = given;
  // Where errors are JSON, nothing else is on stderr.
  if (given.apiKey !== undefined && json === undefined) process.stderr.write(warning);
}

/** The engine of this process, or a daemon's. Loaded when a verb needs it: help, version and mistyped verbs answer without. */
export async function openEngine(): Promise<Engine> {
  const { chooseBackend, openBackend } = await import('novasandbox/backend');
  return openBackend(chooseBackend({ ...flags, apiKey: flags.apiKeyFile ?? flags.apiKey }));
}
