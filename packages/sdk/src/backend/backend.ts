import { statSync } from 'node:fs';
import { connect } from 'node:net';
import type { Engine } from '@novasandbox/engine/services';
import { layoutAt } from '@novasandbox/engine/layout';
import { NovaError } from '@novasandbox/protocol';

/** Where sandboxes are to be: in this process's own engine, or with a daemon. */
export interface BackendOptions {
  /** State folder; default NOVA_HOME, else /var/lib/novasandbox (root) or ~/.novasandbox. */
  readonly home?: string | undefined;
  /** A daemon, such as http://127.0.0.1:8000; default NOVA_API_URL. */
  readonly apiUrl?: string | undefined;
  /** Key or token for `apiUrl`; default NOVA_API_KEY. */
  readonly apiKey?: string | undefined;
  /** No daemon, even if one is there; default NOVA_EMBEDDED=1. */
  readonly embedded?: boolean | undefined;
}

export type Backend =
  | { readonly kind: 'embedded'; readonly home: string | undefined }
  | { readonly kind: 'url'; readonly url: string; readonly apiKey: string | undefined }
  | { readonly kind: 'socket'; readonly socketPath: string; readonly home: string | undefined };

/**
 * What is said outright comes first, then the environment, then the daemon of the state folder, should one be running. Costs one look at a file
 * where there is none.
 */
export function chooseBackend(options: BackendOptions = {}): Backend {
  const { embedded, apiUrl } = options;
  if (embedded === true && apiUrl !== undefined) {
    throw new NovaError('invalid_argument', 'embedded: does not go with apiUrl.');
  }
  const home = options.home ?? fromEnvironment('NOVA_HOME');
  if (embedded === true) return { kind: 'embedded', home };
  const apiKey = options.apiKey ?? fromEnvironment('NOVA_API_KEY');
  if (apiUrl !== undefined) return { kind: 'url', url: apiUrl, apiKey };
  if (embedded === undefined && isYes(fromEnvironment('NOVA_EMBEDDED'))) return { kind: 'embedded', home };
  const url = fromEnvironment('NOVA_API_URL');
  // A state folder named in the call is one of this host.
  if (url !== undefined && options.home === undefined) return { kind: 'url', url, apiKey };
  const { socket } = layoutAt(home).daemon;
  return isOurDaemon(socket) ? { kind: 'socket', socketPath: socket, home } : { kind: 'embedded', home };
}

/** Opens the engine, or the way to a daemon. Each is loaded only when it is the one. */
export async function openBackend(backend: Backend): Promise<Engine> {
  if (backend.kind === 'url') {
    const { createRemoteEngine } = await import('../remote/remote-engine.ts');
    return createRemoteEngine({ url: backend.url, apiKey: backend.apiKey });
  }
  // A daemon that was killed leaves its socket, and nobody behind it.
  if (backend.kind === 'socket' && (await answers(backend.socketPath))) {
    const { createRemoteEngine } = await import('../remote/remote-engine.ts');
    return createRemoteEngine({ socketPath: backend.socketPath });
  }
  const { createEngine } = await import('@novasandbox/engine');
  return createEngine(backend.home === undefined ? {} : { home: backend.home });
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    // Refused, or not ours to open.
    socket.once('error', () => settle(false));
  });
}

/** Another user's socket in its place would be told all that a daemon is told. */
function isOurDaemon(socket: string): boolean {
  const found = statSync(socket, { throwIfNoEntry: false });
  return found?.isSocket() === true && found.uid === process.geteuid?.();
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}

const isYes = (value: string | undefined): boolean => value !== undefined && !/^(0|false|no)$/i.test(value);
