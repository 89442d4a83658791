import type { routes, Operation } from '@novasandbox/protocol/api';
import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Principal, View } from '../context.ts';
import type { MessageSocket } from '../sockets/message-socket.ts';
import type { StreamAnswer } from '../streams/answer.ts';

export type RouteOf<O extends Operation> = (typeof routes)[O];

type Which<Fits> = { [O in Operation]: RouteOf<O> extends Fits ? O : never }[Operation];
export type SocketOperation = Which<{ readonly responseType: 'websocket' }>;
export type StreamOperation = Which<{ readonly responseType: 'bytes' | 'ndjson' | 'events' }>;
export type JsonOperation = Exclude<Operation, SocketOperation | StreamOperation>;

type ParamNames<P extends string> = P extends `${string}{${infer N}}${infer Rest}` ? N | ParamNames<Rest> : never;
type ParamValue<N> = N extends 'process_id' | 'port' ? number : string;
type Parsed<R, F extends string> = R extends Readonly<Record<F, infer S extends z.ZodType>> ? z.output<S> : undefined;

/** An authorised and validated request, with its caller's view of the daemon. */
export interface Call<O extends Operation> extends View {
  readonly params: { readonly [N in ParamNames<RouteOf<O>['path']>]: ParamValue<N> };
  readonly query: Parsed<RouteOf<O>, 'query'>;
  readonly body: Parsed<RouteOf<O>, 'body'>;
  readonly principal: Principal | null;
  /** Aborts when the client disconnects before it gets the answer. */
  readonly signal: AbortSignal;
  /** Aborts when the daemon shuts down and another one is to follow. */
  readonly leaving: AbortSignal;
  readonly request: FastifyRequest;
  /** The id for the new resource, where idempotency has chosen it already. */
  readonly newId: string | undefined;
  /** Called before the resource exists where it gets another id than that. */
  readonly onOtherId: ((id: string) => void) | undefined;
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
    // The OpenAPI document describes the parameter as a number.
    .meta({ type: 'integer', minimum: 1, maximum: max, pattern: undefined });

/** Schemas of path parameters. None of them accepts a slash or a leading dot. */
export const paramSchemas: Readonly<Record<ParamNames<RouteOf<Operation>['path']>, z.ZodType>> = {
  id: ref,
  snapshot: ref,
  process_id: integer(Number.MAX_SAFE_INTEGER),
  port: integer(65_535),
  template_id: ref,
  volume_id: ref,
  network_id: ref,
  secret: z
    .string()
    .max(64)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a secret'),
  username: z
    .string()
    .max(64)
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.@-]*$/, 'must be a user name'),
  key_id: ref,
  forward: ref,
  rule: ref,
  preview: ref,
  policy: ref,
  approval: ref,
};
