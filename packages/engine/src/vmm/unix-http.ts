import { Agent, request } from 'node:http';
import { NovaError } from '@novasandbox/protocol';

/** An answer of a VMM is small; more than this is none. */
const maxAnswerBytes = 4 << 20;

export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; null for an empty body. */
  readonly body: unknown;
}

export interface UnixHttpClient {
  /** One request with a JSON body. Rejects with `vmm_failed` when the VMM cannot be reached or answers nonsense, `cancelled` on abort. Any status is an answer. */
  call(
    method: 'GET' | 'PUT' | 'PATCH' | 'POST',
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<ApiAnswer>;
  close(): void;
}

/** Speaks JSON over HTTP to a VMM's Unix socket; the connection is kept between calls. */
export function unixHttpClient(socketPath: string): UnixHttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    call(method, path, body, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
      const text = body === undefined ? '' : JSON.stringify(body);
      const fail = (error: Error): void =>
        reject(
          signal?.aborted === true
            ? new NovaError('cancelled', `Cancelled while talking to the VMM (${method} ${path}).`, { cause: error })
            : new NovaError('vmm_failed', `The VMM did not answer ${method} ${path}: ${error.message}`, {
                cause: error,
              }),
        );
      const sent = request(
        {
          socketPath,
          agent,
          method,
          path,
          signal,
          headers:
            body === undefined
              ? { accept: 'application/json' }
              : {
                  accept: 'application/json',
                  'content-type': 'application/json',
                  'content-length': Buffer.byteLength(text),
                },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > maxAnswerBytes) response.destroy(new Error('the answer is too long'));
            else chunks.push(chunk);
          });
          response.on('error', fail);
          response.on('end', () => {
            const answered = Buffer.concat(chunks).toString('utf8');
            try {
              resolve({ status: response.statusCode ?? 0, body: answered === '' ? null : JSON.parse(answered) });
            } catch {
              // Some errors are plain text; they are told as they are.
              resolve({ status: response.statusCode ?? 0, body: answered });
            }
          });
        },
      );
      sent.on('error', fail);
      sent.end(text === '' ? undefined : text);
      return promise;
    },
    close: () => agent.destroy(),
  };
}
