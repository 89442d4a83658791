import { NovaError } from '@novasandbox/protocol';
import { createSandboxEngine, type SandboxEngine } from '../remote/sandbox-engine.ts';

export type { SandboxEngine as Engine };

/** The client's `#backend`: the client contains no engine, so it only speaks to daemons. */
export interface BackendOptions {
  /** URL of a daemon, such as http://127.0.0.1:8000; default NOVA_API_URL. */
  readonly apiUrl?: string | undefined;
  /** Key or token for `apiUrl`; default NOVA_API_KEY. */
  readonly apiKey?: string | undefined;
}

export interface Backend {
  readonly kind: 'url';
  readonly url: string;
  readonly apiKey: string | undefined;
}

/** Explicit options come first, then the environment. */
export function chooseBackend(options: BackendOptions = {}): Backend {
  const url = options.apiUrl ?? fromEnvironment('NOVA_API_URL');
  if (url === undefined) {
    throw new NovaError('invalid_argument', 'apiUrl: no daemon is named, and this package has no engine of its own.', {
      hint: 'Give apiUrl or set NOVA_API_URL; the package novasandbox can run sandboxes without a daemon.',
    });
  }
  return { kind: 'url', url, apiKey: options.apiKey ?? fromEnvironment('NOVA_API_KEY') };
}

/** Calls whose backends have the same key share one engine. */
export const keyOf = ({ url, apiKey }: Backend): string => JSON.stringify([url, apiKey ?? null]);

export function openBackend({ url, apiKey }: Backend): Promise<SandboxEngine> {
  return Promise.resolve(createSandboxEngine({ url, apiKey }));
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
