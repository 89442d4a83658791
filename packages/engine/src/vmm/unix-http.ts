import type { Socket } from 'node:net';
import { NovaError } from '@novasandbox/protocol';
import { patience, unanswered } from './patience.ts';

/** Answers of VMMs are small; a longer one is refused. */
const maxAnswerBytes = 4 << 20;

export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON, the text itself where it is not JSON, null for an empty body. */
  readonly body: unknown;
}

export interface UnixHttpClient {
  /**
   * One request with a JSON body. Any status counts as an answer. Calls need not wait for the one before: they are sent
   * at once and answered in order. Rejects with `vmm_failed` when the connection is lost, or when the answer is
   * malformed or has not come after `limitMs` (default: patience.answerMs), and `cancelled` on abort. After the last
   * two, the connection takes no more calls, because an unread answer would be taken for that of the next call.
   */
  call(
    method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    signal?: AbortSignal,
    limitMs?: number,
  ): Promise<ApiAnswer>;
  /**
   * Sends a request without waiting for its answer. The VMM handles it after earlier requests, even if it has not
   * answered for a long time.
   */
  leave(method: 'PUT' | 'PATCH', path: string, body?: unknown): void;
  close(): void;
}

interface Waiting {
  readonly what: string;
  resolve(answer: ApiAnswer): void;
  reject(error: NovaError): void;
}

/**
 * Speaks JSON over HTTP/1.1 on a connected socket, as VMMs do: bodies have a length, and connections are kept. Node's
 * own client waits for each answer before it sends the next request, and setting up a machine takes a dozen.
 */
export function unixHttpClient(socket: Socket): UnixHttpClient {
  const waiting: Waiting[] = [];
  let ended: string | null = null;
  let received: Buffer = Buffer.alloc(0);

  const end = (why: string, code: 'vmm_failed' | 'cancelled' = 'vmm_failed'): void => {
    if (ended !== null) return;
    ended = why;
    for (const each of waiting.splice(0)) each.reject(new NovaError(code, `${each.what}: ${why}`));
  };
  const close = (why: string, code?: 'cancelled'): void => {
    end(why, code);
    socket.destroy();
  };
  const send = (method: string, path: string, body: unknown): void => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const content =
      text === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n${content}\r\n${text}`);
  };

  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      for (let taken = takeAnswer(received); taken !== null; taken = takeAnswer(received)) {
        received = received.subarray(taken.length);
        // Interim answers such as "100 Continue" announce an answer.
        if (taken.answer.status >= 200) waiting.shift()?.resolve(taken.answer);
      }
      if (received.length > maxAnswerBytes) throw new Error('the answer is too long');
    } catch (error) {
      close(error instanceof Error ? error.message : String(error));
    }
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the VMM closed the connection'));

  return {
    call(method, path, body, signal, limitMs = patience.answerMs) {
      const asked = `${method} ${path}`;
      const what = `The VMM did not answer ${asked}`;
      if (signal?.aborted === true)
        return Promise.reject(new NovaError('cancelled', `${what}: the request was not sent.`));
      if (ended !== null) return Promise.reject(new NovaError('vmm_failed', `${what}: ${ended}`));
      const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
      waiting.push({ what, resolve, reject });
      const onAbort = (): void => close('cancelled', 'cancelled');
      const timer = setTimeout(() => {
        reject(unanswered('The VMM', asked, limitMs));
        end('one before it was not answered in time');
      }, limitMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      send(method, path, body);
      return promise.finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      });
    },
    leave: send,
    close: () => close('the connection was closed here'),
  };
}

/** The first answer in `bytes` and its length; null while it is incomplete. Throws on bytes that are not HTTP. */
function takeAnswer(bytes: Buffer): { readonly answer: ApiAnswer; readonly length: number } | null {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const [first = '', ...headers] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  if (status === undefined) throw new Error(`it answered "${first.slice(0, 80)}"`);
  let length = 0;
  for (const header of headers) {
    const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(header) ?? [];
    if (name.toLowerCase() === 'transfer-encoding') throw new Error('its answer has no length');
    if (name.toLowerCase() === 'content-length') length = Number(value);
  }
  if (!Number.isSafeInteger(length) || length < 0 || length > maxAnswerBytes) throw new Error('the answer is too long');
  const bodyStart = headEnd + 4;
  if (bytes.length < bodyStart + length) return null;
  const text = bytes.toString('utf8', bodyStart, bodyStart + length);
  return { answer: { status: Number(status), body: parsed(text) }, length: bodyStart + length };
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
