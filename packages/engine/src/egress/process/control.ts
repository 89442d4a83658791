import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { NovaError, toNovaError } from '@novasandbox/protocol/errors';
import { parse } from '@novasandbox/protocol/parse';
import type { Decision } from '@novasandbox/protocol/policy';
import type { Tidings } from '../tidings.ts';
import type { Boxes } from './boxes.ts';
import { answersSchema, longestBody, sandboxNameSchema, serveRequestSchema } from './wire.ts';

/** The server of the control socket. Only root of the host, and the user whose process it is, can connect to it. */
export function controlServer(boxes: Boxes, tidings: Tidings, changed: () => void): Server {
  const server = createServer((request, response) => {
    answer(boxes, tidings, request, response)
      .catch((error: unknown) => fail(response, error))
      .finally(changed);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function answer(
  boxes: Boxes,
  tidings: Tidings,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://egress');
  const [, kind, named = '', part] = pathname.split('/');
  if (kind === 'questions')
    return tell(response, { questions: boxes.all().flatMap(({ questions }) => questions.pending()) });
  if (kind === 'tidings') return tellTidings(tidings, response);
  if (kind !== 'sandboxes') throw new NovaError('not_found', `There is no ${pathname}.`);
  if (named === '') return tell(response, { sandboxes: boxes.ids() });
  const sandbox = parse(sandboxNameSchema, named, 'The sandbox');
  switch (`${request.method ?? ''} ${part ?? ''}`) {
    case 'PUT ':
      await boxes.serve(sandbox, parse(serveRequestSchema, await bodyOf(request), 'What is to be served'));
      return tell(response, {});
    case 'DELETE ':
      boxes.forget(sandbox);
      return tell(response, {});
    case 'GET names':
      return tell(response, boxes.find(sandbox)?.names.all() ?? []);
    case 'GET contacts': {
      const box = boxes.find(sandbox);
      return tell(response, box?.isGoverned === true ? box.contacts.all() : null);
    }
    case 'PUT answers': {
      const answers = parse(answersSchema, await bodyOf(request), 'The answers');
      const box = boxes.find(sandbox);
      box?.answer(answers);
      return tell(response, { served: box !== undefined });
    }
    case 'GET secrets':
      return tell(response, boxes.find(sandbox)?.secrets.uses() ?? {});
    case 'GET decisions':
      return tellDecisions(boxes, sandbox, searchParams, response);
    default:
      throw new NovaError('method_not_allowed', `${pathname} knows no ${request.method ?? ''}.`);
  }
}

async function tellDecisions(
  boxes: Boxes,
  sandbox: string,
  asked: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const follow = asked.get('follow') === 'true';
  const wanted = (decision: Decision): boolean => asked.get('denied') !== 'true' || decision.action === 'deny';
  await tellLines(response, (signal) => boxes.find(sandbox)?.log.read({ follow, signal }) ?? [], wanted);
}

/** Nothing else ends the stream but the one who reads it. */
const tellTidings = (tidings: Tidings, response: ServerResponse): Promise<void> =>
  tellLines(
    response,
    (signal) => tidings.follow(signal),
    () => true,
  );

/** Writes each item that is wanted as a line. `read` ends where its signal fires, because nobody reads any more. */
async function tellLines<T>(
  response: ServerResponse,
  read: (signal: AbortSignal) => AsyncIterable<T> | readonly T[],
  wanted: (item: T) => boolean,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  for await (const item of read(gone.signal)) {
    if (!wanted(item)) continue;
    if (!response.write(`${JSON.stringify(item)}\n`)) await drained(response, gone.signal);
  }
  response.end();
}

/** Resolves when more may be written, or nobody reads any more. */
function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const go = (): void => resolve();
  response.once('drain', go);
  gone.addEventListener('abort', go, { once: true });
  if (gone.aborted) go();
  return promise.finally(() => {
    response.off('drain', go);
    gone.removeEventListener('abort', go);
  });
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longestBody) throw new NovaError('payload_too_large', 'The request is too long.');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
}

function tell(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, thrown: unknown): void {
  if (response.headersSent) return void response.destroy();
  const { status, code, message, hint } = toNovaError(thrown);
  tell(response, { code, message, hint }, status);
}
