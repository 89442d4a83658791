import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import type { Engine } from '@novasandbox/engine/services';
import { layoutAt } from '@novasandbox/engine/layout';
import { NovaError } from '@novasandbox/protocol';

export type { Engine };

/** Where sandboxes run: in the engine of this process, or in a daemon. */
export interface BackendOptions {
  /** State folder; default NOVA_HOME, else /var/lib/novasandbox (root) or ~/.novasandbox. */
  readonly home?: string | undefined;
  /** URL of a daemon, such as http://127.0.0.1:8000; default NOVA_API_URL. */
  readonly apiUrl?: string | undefined;
  /** Key or token for `apiUrl`; default NOVA_API_KEY. */
  readonly apiKey?: string | undefined;
  /** Uses the engine of this process even if a daemon is running; default NOVA_EMBEDDED=1. */
  readonly embedded?: boolean | undefined;
}

export type Backend =
  | { readonly kind: 'embedded'; readonly home: string | undefined }
  | { readonly kind: 'url'; readonly url: string; readonly apiKey: string | undefined }
  | { readonly kind: 'socket'; readonly socketPath: string; readonly home: string | undefined };

/**
 * Explicit options come first, then the environment, then the daemon of the state folder if one is running. Where there
 * is no daemon, this costs one look at a file.
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
  // A state folder named in the call is always on this host, so NOVA_API_URL does not apply.
  if (url !== undefined && options.home === undefined) return { kind: 'url', url, apiKey };
  const { socket } = layoutAt(home).daemon;
  return isOurDaemon(socket) ? { kind: 'socket', socketPath: socket, home } : { kind: 'embedded', home };
}

/** Calls whose backends have the same key share one engine. */
export function keyOf(backend: Backend): string {
  if (backend.kind === 'url') return JSON.stringify([backend.url, backend.apiKey ?? null]);
  const home = backend.home === undefined ? '' : resolve(backend.home);
  return JSON.stringify([backend.kind, home]);
}

/** Opens the engine or a connection to the daemon. Each module is loaded only when it is needed. */
export async function openBackend(backend: Backend): Promise<Engine> {
  if (backend.kind === 'url') {
    const { createRemoteEngine } = await import('../remote/remote-engine.ts');
    return createRemoteEngine({ url: backend.url, apiKey: backend.apiKey });
  }
  // A daemon that was killed leaves its socket behind, but nobody answers on it.
  if (backend.kind === 'socket' && (await answers(backend.socketPath))) {
    const { createRemoteEngine } = await import('../remote/remote-engine.ts');
    return { ...createRemoteEngine({ socketPath: backend.socketPath }), place: { home: layoutAt(backend.home).home } };
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
    // The connection was refused, or the socket is not ours to open.
    socket.once('error', () => settle(false));
  });
}

/** A socket that another user has put in its place would receive everything we send to the daemon. */
function isOurDaemon(socket: string): boolean {
  const found = statSync(socket, { throwIfNoEntry: false });
  return found?.isSocket() === true && found.uid === process.geteuid?.();
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}

const isYes = (value: string | undefined): boolean => value !== undefined && !/^(0|false|no)$/i.test(value);
