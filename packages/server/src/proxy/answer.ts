import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import { hangUp, linger } from '../http/linger.ts';

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export const sandboxGone = (sandboxId: string): Answer => ({
  status: 502,
  body: { sandboxId, message: 'The sandbox was not found', code: 502 },
});

/**
 * Port on which E2B's clients look for the code interpreter. Its absence gets an answer of its own, because they take
 * 502 for a sandbox that has timed out.
 */
const interpreterPort = 49_999;

export const portClosed = (sandboxId: string, port: number): Answer =>
  port === interpreterPort
    ? {
        status: 404,
        body: {
          sandboxId,
          message: 'There is no code interpreter in this sandbox: its template has none',
          port,
          code: 404,
        },
      }
    : {
        status: 502,
        body: { sandboxId, message: 'The sandbox is running but port is not open', port, code: 502 },
      };

export const failure = (status: number, message: string): Answer => ({ status, body: { code: status, message } });

/**
 * Answers a request. When an answer has begun already, the connection is closed instead, so that no client takes a part
 * for the whole.
 */
export function answer(response: ServerResponse, { status, body }: Answer): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  linger(response);
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text);
}

/** Sends a visitor to an address of the same host, with a cookie. Nobody may keep the answer. */
export function redirect(response: ServerResponse, to: { readonly location: string; readonly cookie: string }): void {
  linger(response);
  const headers = { 'set-cookie': to.cookie, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' };
  response.writeHead(303, { ...headers, location: to.location, 'content-length': 0 }).end();
}

/** Writes the answer to the bare socket of an upgrade. */
export function answerSocket(socket: Duplex, { status, body }: Answer): void {
  const text = JSON.stringify(body);
  hangUp(
    socket,
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
