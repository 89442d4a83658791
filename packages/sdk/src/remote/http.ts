import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ByteSource } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import type { routes } from '@novasandbox/protocol/api';
import type { Endpoint } from './address.ts';
import { callerError, cancelled, connectionError, errorOfAnswer, isAborted, NoAnswer } from './remote-error.ts';
import { connectionPool } from './pool.ts';
import { pathOf, routeOf, type Operation, type Params, type Query } from './route-path.ts';

type RouteOf<O extends Operation> = (typeof routes)[O];
type Answer<O extends Operation> =
  RouteOf<O> extends { readonly response: { parse(value: unknown): infer R } } ? R : undefined;

export interface RequestOptions {
  readonly query?: Query;
  /** JSON. */
  readonly body?: unknown;
  /** Sent as it comes, as fast as the daemon takes it. */
  readonly bytes?: ByteSource;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer begins; default 60 s, 0 for none. Bodies that stream have no limit in time. */
  readonly timeoutMs?: number;
}

/** Requests of the REST contract, built from its table and parsed by its schemas. */
export interface HttpClient {
  call<O extends Operation>(operation: O, params: Params<O>, options?: RequestOptions): Promise<Answer<O>>;
  /** An answer that streams. The daemon sends as fast as it is read; destroying it ends the transfer. */
  stream<O extends Operation>(operation: O, params: Params<O>, options?: RequestOptions): Promise<Readable>;
  close(): Promise<void>;
}

const connectMs = 10_000;
const defaultTimeoutMs = 60_000;
/** An error, or a JSON answer, larger than that comes from no daemon. */
const maxAnswerBytes = 64 * 1024 * 1024;

export function createHttp(endpoint: Endpoint): HttpClient {
  const { socketPath, origin, prefix, name } = endpoint;
  const pool = connectionPool(origin, {
    // Each stream that is open takes one; too few, and calls would wait for streams to end.
    connections: 512,
    connect: { timeout: connectMs, ...(socketPath === undefined ? {} : { socketPath }) },
    // Limits in time are the calls' own: a stream may rest as long as its reader does.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  /** What the daemon would not do twice is asked again, once, where the connection failed before any answer came. */
  async function send(operation: Operation, params: Params<Operation>, options: RequestOptions): Promise<Readable> {
    if (!('idempotent' in routeOf(operation))) return sendOnce(operation, params, options);
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
    const path = prefix + pathOf(operation, params, query);
    const late = new AbortController();
    const timer = timeoutMs === 0 || bytes !== undefined ? undefined : setTimeout(() => late.abort(), timeoutMs);
    const source: { failure?: unknown } = {};
    try {
      const answer = await pool.request({
        method: routeOf(operation).method,
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
    async call<O extends Operation>(operation: O, params: Params<O>, options: RequestOptions = {}): Promise<Answer<O>> {
      const body = await send(operation, params, options);
      const content = await text(body).catch((error: unknown) => {
        throw isAborted(options.signal) ? cancelled(options.signal) : connectionError(name, error);
      });
      const { response } = routeOf(operation);
      return (response === undefined ? undefined : parseAnswer(response, content)) as Answer<O>;
    },
    close: () => pool.destroy(),
  };
}

function parseAnswer(schema: { parse(value: unknown): unknown }, content: string): unknown {
  try {
    return schema.parse(JSON.parse(content));
  } catch (error) {
    throw new NovaError('server_unreachable', 'The daemon answered with something else than this version knows.', {
      hint: 'Use the same version of NovaSandbox on both sides.',
      cause: error,
    });
  }
}

/** Remembers what the source itself throws: that is the caller's error, not one of the connection. */
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
