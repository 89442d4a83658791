import { AsyncLocalStorage } from 'node:async_hooks';
import type { Engine, LocalEngine } from '@novasandbox/engine';
import type { ConnectionFlags } from './args/connection-options.ts';
import { UsageError } from './usage-error.ts';

/** Connection options of the command line that is being run. */
const connection = new AsyncLocalStorage<ConnectionFlags>();

const warning =
  'nova: a key in --api-key can be read by every user of this machine: use --api-key-file or NOVA_API_KEY.\n';

/** Stores the connection options, so that the verbs need not know them. */
export function connectAs({ json, ...given }: ConnectionFlags & { readonly json?: unknown }): void {
  if (given.embedded === true && given.apiUrl !== undefined)
    throw new UsageError('--embedded does not go with --api-url.');
  connection.enterWith(given);
  // With --json, stderr holds nothing but JSON errors.
  if (given.apiKey !== undefined && json === undefined) process.stderr.write(warning);
}

/** The environment with which another `nova` works over the same engine as this command line. */
export function connectionEnvironment(): NodeJS.ProcessEnv {
  const { apiUrl, apiKey, apiKeyFile, embedded } = connection.getStore() ?? {};
  const key = apiKeyFile ?? apiKey;
  return {
    ...process.env,
    ...(embedded === true ? { NOVA_EMBEDDED: '1' } : {}),
    ...(apiUrl === undefined ? {} : { NOVA_API_URL: apiUrl, NOVA_EMBEDDED: '' }),
    ...(key === undefined ? {} : { NOVA_API_KEY: key }),
  };
}

/** The engine of this process with its state folder; null where a daemon is asked. */
export async function openOwnEngine(): Promise<{ readonly engine: LocalEngine; readonly home: string } | null> {
  const { chooseBackend } = await import('novasandbox/backend');
  const backend = chooseBackend(connection.getStore() ?? {});
  if (backend.kind !== 'embedded') return null;
  const { createEngine, layoutAt } = await import('@novasandbox/engine');
  const { home } = layoutAt(backend.home);
  return { engine: await createEngine({ home }), home };
}

/**
 * Opens the engine of this process or of a daemon. The module is loaded only when a verb needs it: help, version and
 * mistyped verbs do without.
 */
export async function openEngine(): Promise<Engine> {
  const { chooseBackend, openBackend } = await import('novasandbox/backend');
  const flags = connection.getStore() ?? {};
  return openBackend(chooseBackend({ ...flags, apiKey: flags.apiKeyFile ?? flags.apiKey }));
}
