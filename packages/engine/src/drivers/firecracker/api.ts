import type { Socket } from 'node:net';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import * as z from 'zod';
import { socketPath } from '../../layout.ts';
import { patience } from '../../vmm/patience.ts';
import { unixHttpClient, type UnixHttpClient } from '../../vmm/unix-http.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';

export const apiSocket = 'api';

/**
 * A request that changes something, as described in Firecracker's OpenAPI document
 * (src/firecracker/swagger/firecracker.yaml of its sources).
 */
export interface ApiRequest {
  readonly method: 'PUT' | 'PATCH';
  readonly path: string;
  readonly body: unknown;
}

/** The answer to `GET /`. */
const instanceSchema = z.object({ state: z.enum(['Not started', 'Running', 'Paused']), vmm_version: z.string() });
export type Instance = z.infer<typeof instanceSchema>;

const faultSchema = z.object({ fault_message: z.string() });

/** A connection to one Firecracker's API. */
export interface FirecrackerApi extends Disposable {
  /**
   * Sends the requests at once, in order, and waits for all answers. Rejects with `vmm_failed` and Firecracker's own
   * words for the first that is refused, `cancelled` on abort.
   */
  send(requests: readonly ApiRequest[], signal?: AbortSignal): Promise<void>;
  /** Sends a request without waiting for its answer (UnixHttpClient). */
  leave(request: ApiRequest): void;
  instance(signal?: AbortSignal): Promise<Instance>;
}

export function firecrackerApi(socket: Socket): FirecrackerApi {
  const http: UnixHttpClient = unixHttpClient(socket);
  return {
    async send(requests, signal) {
      const answers = await Promise.all(
        requests.map(async ({ method, path, body }) => ({
          what: `${method} ${path}`,
          ...(await http.call(method, path, body, signal, limitOf(path))),
        })),
      );
      const refused = answers.find(({ status }) => status >= 300);
      if (refused !== undefined)
        throw new NovaError('vmm_failed', `Firecracker refused ${refused.what}: ${fault(refused.body)}`);
    },
    leave: ({ method, path, body }) => http.leave(method, path, body),
    async instance(signal) {
      const { body } = await http.call('GET', '/', undefined, signal);
      const instance = instanceSchema.safeParse(body);
      if (!instance.success) throw new NovaError('vmm_failed', 'Firecracker does not say what state it is in.');
      return instance.data;
    },
    [Symbol.dispose]: () => http.close(),
  };
}

/** A single request writes a whole snapshot, and may read one, so it gets more time. */
const limitOf = (path: string): number => (path.startsWith('/snapshot/') ? patience.memoryMs : patience.answerMs);

/** Opens a connection for one operation. Firecracker serves ten connections, so no process may keep one. */
export async function openApi(socketDirectory: string, signal?: AbortSignal): Promise<FirecrackerApi> {
  try {
    return firecrackerApi(await connectUnixSocket(socketPath(socketDirectory, apiSocket), signal));
  } catch (error) {
    if (!isNovaError(error, 'guest_unreachable')) throw error;
    throw new NovaError('vmm_failed', `Firecracker does not answer: ${error.message}`, { cause: error });
  }
}

function fault(body: unknown): string {
  const said = faultSchema.safeParse(body);
  return said.success ? said.data.fault_message : JSON.stringify(body);
}
