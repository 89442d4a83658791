import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
}

export interface ApiServerOptions {
  readonly socket: string;
  /** Never rejects. */
  readonly answer: (method: string, path: string, body: string) => Promise<Answer>;
  /**
   * Descriptor that receives the times of events, for the benchmark: "<ms since 1970> listening", "reached", "asked",
   * "answered".
   */
  readonly log: number | undefined;
}

/**
 * JSON over HTTP/1.1 on a Unix socket, one request at a time however many arrive, as VMMs serve it. Node compiles a
 * server when it first serves. This happens in a rehearsal before the socket exists, so that clients do not wait for
 * something that no VMM does.
 */
export async function serveApi({ socket, answer, log }: ApiServerOptions): Promise<void> {
  let rehearsing = true;
  const note = (what: string): void => {
    const line = `${(performance.timeOrigin + performance.now()).toFixed(3)} ${what}\n`;
    if (log !== undefined && !rehearsing) writeSync(log, line);
  };
  const makeServer = (): Server => {
    let last: Promise<unknown> = Promise.resolve();
    return createServer((request, response) => {
      note('asked');
      const received = (async () => {
        let text = '';
        for await (const chunk of request) text += String(chunk);
        return text;
      })();
      last = last.then(async () => {
        const { status, body } = await answer(request.method ?? '', request.url ?? '', await received);
        const text = body === undefined ? '' : JSON.stringify(body);
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
        note('answered');
        response.writeHead(status, text === '' ? {} : headers).end(text);
      });
    }).on('connection', () => note('reached'));
  };
  await rehearse(makeServer());
  rehearsing = false;
  await once(makeServer().listen(socket), 'listening');
  note('listening');
}

const rehearsals = 10;
const requestsOfEach = 5;

/** Requests that change nothing, sent as the drivers do: several at once on one connection. */
async function rehearse(server: Server): Promise<void> {
  const abstract = `\0nova-stand-in-${process.pid}`;
  await once(server.listen(abstract), 'listening');
  for (let round = 0; round < rehearsals; round++) {
    const client: Socket = connect(abstract);
    const body = JSON.stringify({ rehearsal: round });
    const request = `PUT /rehearsal HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.write(request.repeat(requestsOfEach));
    let answers = 0;
    for await (const chunk of client) {
      answers += String(chunk).split('HTTP/1.1 ').length - 1;
      if (answers >= requestsOfEach) break;
    }
  }
  server.close();
  server.closeAllConnections();
}
