import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ByteSource } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import { routes } from '@novasandbox/protocol/api';
import type { Endpoint } from './address.ts';
import { callerError, cancelled, connectionError, errorOfAnswer, isAborted, NoAnswer } from './remote-error.ts';
import { linesOf } from './lines.ts';
import { connectionPool, type ConnectionPool } from './pool.ts';
import { pathOf, type Operation, type Params, type Query, type Routes } from './route-path.ts';

type RouteOf<O extends Operation> = (typeof routes)[O];
type Answer<O extends Operation> =
  RouteOf<O> extends { readonly response: { parse(value: unknown): infer R } } ? R : undefined;

export interface RequestOptions {
  readonly query?: Query;
  /** Body sent as JSON. */
  readonly body?: unknown;
  /** Body sent as a stream, as fast as the daemon takes it. */
  readonly bytes?: ByteSource;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Time limit until the response begins; default 60 s, 0 for none. A streaming body has no time limit. */
  readonly timeoutMs?: number;
}

/** Requests of the REST contract, built from its table and parsed by its schemas. */
export interface HttpClient {
  call<O extends Operation>(operation: O, params: Params<O>, options?: RequestOptions): Promise<Answer<O>>;
  /**
   * Returns a response that streams. The daemon sends as fast as it is read; destroying the stream ends the transfer.
   */
  stream<O extends Operation>(operation: O, params: Params<O>, options?: RequestOptions): Promise<Readable>;
  /** Returns a response that streams lines of JSON. */
  lines<O extends Operation>(
    operation: O,
    params: Params<O>,
    options?: RequestOptions,
  ): Promise<AsyncGenerator<unknown, void, undefined>>;
  /** The same client for the operations of another table. */
  knowing(table: Routes): HttpClient;
  close(): Promise<void>;
}

const connectMs = 10_000;
const defaultTimeoutMs = 60_000;
/** No daemon sends an error or a JSON response larger than this. */
const maxAnswerBytes = 64 * 1024 * 1024;

export function createHttp(endpoint: Endpoint): HttpClient {
  const { socketPath, origin } = endpoint;
  const pool = connectionPool(origin, {
    // Each open stream takes one connection; with too few, calls would wait for streams to end.
    connections: 512,
    connect: { timeout: connectMs, ...(socketPath === undefined ? {} : { socketPath }) },
    // The calls have their own time limits; a stream may pause as long as its reader does.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return clientFor(endpoint, pool, routes);
}

function clientFor(endpoint: Endpoint, pool: ConnectionPool, table: Routes): HttpClient {
  const { prefix, name } = endpoint;

  /** Repeats an idempotent request once if the connection failed before any response arrived. */
  async function send(operation: Operation, params: Params<Operation>, options: RequestOptions): Promise<Readable> {
    if (table[operation].idempotent !== true) return sendOnce(operation, params, options);
    const once = { ...options, headers: { ...options.headers, 'idempotency-key': randomUUID() } };
    try {
      return await sendOnce(operation, params, once);
    } catch (error) {
      if (!(error instanceof NoAnswer) || isAborted(options.signal)) throw error;
      return await sendOnce(operation, params, once);
    }
  }

  async function sendOnce(operation: Operation, params: Params<Operation>, options: RequestOptions): Promise<Readable> {
    const { query = {}, body, bytes, headers = {}, signal, timeoutMs = defaultTimeoutMs } = options;
    if (isAborted(signal)) throw cancelled(signal);
    const path = prefix + pathOf(table[operation], params, query);
    const late = new AbortController();
    const timer = timeoutMs === 0 || bytes !== undefined ? undefined : setTimeout(() => late.abort(), timeoutMs);
    const source: { failure?: unknown } = {};
    try {
      const answer = await pool.request({
        method: table[operation].method,
        path,
        headers: {
          ...endpoint.headers,
          ...(bytes === undefined ? {} : { 'content-type': 'application/octet-stream' }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: bytes === undefined ? (body === undefined ? null : JSON.stringify(body)) : toBody(bytes, source),
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      });
      if (answer.statusCode >= 400) throw errorOfAnswer(answer.statusCode, await text(answer.body));
      return answer.body;
    } catch (error) {
      if (isAborted(signal)) throw cancelled(signal);
      if ('failure' in source) throw callerError(source.failure);
      if (late.signal.aborted) {
        throw new NovaError('server_unreachable', `The daemon at ${name} has not answered within ${timeoutMs} ms.`);
      }
      throw connectionError(name, error);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    stream: send,
    lines: async (operation, params, options) => linesOf(await send(operation, params, options ?? {}), name),
    async call<O extends Operation>(operation: O, params: Params<O>, options: RequestOptions = {}): Promise<Answer<O>> {
      const body = await send(operation, params, options);
      const content = await text(body).catch((error: unknown) => {
        throw isAborted(options.signal) ? cancelled(options.signal) : connectionError(name, error);
      });
      const { response } = table[operation];
      return (response === undefined ? undefined : parseAnswer(response, content)) as Answer<O>;
    },
    knowing: (others) => clientFor(endpoint, pool, others),
    close: () => pool.destroy(),
  };
}

function parseAnswer(schema: { parse(value: unknown): unknown }, content: string): unknown {
  try {
    return schema.parse(JSON.parse(content));
  } catch (error) {
    throw new NovaError('server_unreachable', 'The daemon sent a response that this version does not know.', {
      hint: 'Use the same version of NovaSandbox on both sides.',
      cause: error,
    });
  }
}

/** Remembers an error that the source itself throws: it is the caller's error, not one of the connection. */
function toBody(source: ByteSource, failed: { failure?: unknown }): Readable {
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      failed.failure = error;
      throw error;
    }
  };
  return Readable.from(watched(), { objectMode: false });
}

async function text(body: Readable): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxAnswerBytes) throw new Error('the answer is too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
