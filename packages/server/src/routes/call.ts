import type { Readable } from 'node:stream';
import type { routes, Operation } from '@novasandbox/protocol/api';
import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Principal, View } from '../context.ts';
import type { MessageSocket } from '../sockets/message-socket.ts';

export type RouteOf<O extends Operation> = (typeof routes)[O];

type Which<Fits> = { [O in Operation]: RouteOf<O> extends Fits ? O : never }[Operation];
/** Answered 501: the engine cannot do it yet. */
export type MissingOperation = Which<{ readonly missing: string }>;
export type SocketOperation = Which<{ readonly responseType: 'websocket' }>;
export type StreamOperation = Which<{ readonly responseType: 'bytes' | 'ndjson' | 'events' }>;
export type JsonOperation = Exclude<Operation, MissingOperation | SocketOperation | StreamOperation>;

type ParamNames<P extends string> = P extends `${string}{${infer N}}${infer Rest}` ? N | ParamNames<Rest> : never;
type ParamValue<N> = N extends 'process_id' | 'port' ? number : string;
type Parsed<R, F extends string> = R extends Readonly<Record<F, infer S extends z.ZodType>> ? z.output<S> : undefined;

/** A request that has been authorised and checked, with the daemon as its caller may see it. */
export interface Call<O extends Operation> extends View {
  readonly params: { readonly [N in ParamNames<RouteOf<O>['path']>]: ParamValue<N> };
  readonly query: Parsed<RouteOf<O>, 'query'>;
  readonly body: Parsed<RouteOf<O>, 'body'>;
  readonly principal: Principal | null;
  /** Aborted when the client has gone before it was answered. */
  readonly signal: AbortSignal;
  /** Aborted when the daemon ends and another is to take its place. */
  readonly leaving: AbortSignal;
  readonly request: FastifyRequest;
  /** The id of what it makes, where that was chosen before (idempotency). */
  readonly newId: string | undefined;
}

export interface StreamAnswer {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

type Answered<O extends Operation> =
  RouteOf<O> extends { readonly response: infer S extends z.ZodType } ? z.input<S> : void;

export type JsonHandlers = { readonly [O in JsonOperation]: (call: Call<O>) => Promise<Answered<O>> };
export type StreamHandlers = { readonly [O in StreamOperation]: (call: Call<O>) => Promise<StreamAnswer> };
export type SocketHandlers = {
  readonly [O in SocketOperation]: (call: Call<O>, socket: MessageSocket) => Promise<void>;
};

const ref = z
  .string()
  .max(64)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'must be an id or a name');
const integer = (max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, `must be between 1 and ${max}`)
    // For whoever reads the OpenAPI document, it is a number.
    .meta({ type: 'integer', minimum: 1, maximum: max, pattern: undefined });

/** What stands in a path; names reach nothing that they could climb out of. */
export const paramSchemas: Readonly<Record<ParamNames<RouteOf<Operation>['path']>, z.ZodType>> = {
  id: ref,
  process_id: integer(Number.MAX_SAFE_INTEGER),
  port: integer(65_535),
  template_id: ref,
  username: z
    .string()
    .max(64)
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.@-]*$/, 'must be a user name'),
  key_id: ref,
  snapshot: ref,
  forward: ref,
  policy: ref,
  rule: ref,
  session: ref,
};
