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

/** Where E2B's clients look for the code interpreter. Its absence is told as such: they take 502 for a sandbox that has timed out. */
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

/** Answers a request that has not been answered; one that has is cut off, so that nobody takes a part for the whole. */
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

/** The same on the bare connection of an upgrade. */
export function answerSocket(socket: Duplex, { status, body }: Answer): void {
  const text = JSON.stringify(body);
  hangUp(
    socket,
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
