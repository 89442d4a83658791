import { NovaError } from '@novasandbox/protocol';
import type { Engine } from '@novasandbox/engine/services';
import { createRemoteEngine } from '../remote/remote-engine.ts';

/** The client's `#backend`: its process has no engine, so it speaks to daemons alone. */
export interface BackendOptions {
  /** A daemon, such as http://127.0.0.1:8000; default NOVA_API_URL. */
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
      hint: 'Give apiUrl or set NOVA_API_URL; the package novasandbox makes sandboxes in its own process.',
    });
  }
  return { kind: 'url', url, apiKey: options.apiKey ?? fromEnvironment('NOVA_API_KEY') };
}

export function openBackend({ url, apiKey }: Backend): Promise<Engine> {
  return Promise.resolve(createRemoteEngine({ url, apiKey }));
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
