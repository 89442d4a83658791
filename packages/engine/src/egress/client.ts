import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';
import {
  contactsSchema,
  decisionSchema,
  isNovaError,
  NovaError,
  parse,
  pinnedNamesSchema,
  type ErrorCode,
} from '@novasandbox/protocol';
import type * as z from 'zod';
import { throwIfAborted } from '../abort.ts';
import { withLock } from '../artifacts/lock.ts';
import { makeRunFolder, type Layout } from '../layout.ts';
import type { Egress } from '../ports/egress.ts';
import type { VmmUsers } from '../vmm/vmm-users.ts';
import { startEgress } from './process/start.ts';
import {
  answeredSchema,
  failureSchema,
  questionsSchema,
  secretUsesSchema,
  servedSchema,
  tidingSchema,
} from './process/wire.ts';

export interface EgressOptions {
  readonly layout: Pick<Layout, 'egress'>;
  /** The process becomes one of them. */
  readonly users: Pick<VmmUsers, 'take'>;
  /** The program that opens listeners in slots (host/listen). */
  readonly listener: (options: { readonly signal?: AbortSignal | undefined }) => Promise<{ readonly program: string }>;
}

/** Slots are served one after the other, each within a fraction of a second; a busy host takes longer. */
const answersWithinMs = 60_000;

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Speaks to the process of a state folder, and starts it where it does not run. */
export function openEgress({ layout: { egress: paths }, users, listener }: EgressOptions): Egress {
  const call = (how: Call): Promise<IncomingMessage> => callAt(paths.socket, how);
  const start = async (signal: AbortSignal | undefined): Promise<void> => {
    const { program } = await listener({ signal });
    makeRunFolder(dirname(paths.lock));
    await withLock(paths.lock, { signal }, async () => {
      // Another process may have started it meanwhile.
      if (!(await isThere(call))) await startEgress({ ...paths, users, listener: program });
    });
  };
  return {
    async serve(sandbox, { signal, memberships, ...request }) {
      const joined = memberships.map(({ network, name, address }) => ({ network, name, address }));
      const body = { ...request, memberships: joined };
      const how: Call = { method: 'PUT', path: `/sandboxes/${sandbox}`, body, signal };
      for (let tries = 0; ; tries += 1) {
        throwIfAborted(signal, 'before its policy was put in force');
        try {
          return await whole(call(how));
        } catch (error) {
          // It may also end while it is asked, because nobody needed it.
          if (!isNovaError(error, 'server_unreachable') || tries > 2) throw error;
        }
        await start(signal);
      }
    },
    forget: (sandbox) => orNone(whole(call({ method: 'DELETE', path: `/sandboxes/${sandbox}` })), undefined),
    async names(sandbox) {
      const answer = orNone(jsonOf(call({ method: 'GET', path: `/sandboxes/${sandbox}/names` })), []);
      return parse(pinnedNamesSchema, await answer, 'The names of a sandbox');
    },
    async secretUses(sandbox) {
      const answer = orNone(jsonOf(call({ method: 'GET', path: `/sandboxes/${sandbox}/secrets` })), {});
      return parse(secretUsesSchema, await answer, 'The use of secrets');
    },
    async *decisions(sandbox, { follow = false, denied = false, signal } = {}) {
      const path = `/sandboxes/${sandbox}/decisions?follow=${follow}&denied=${denied}`;
      const answer = await orNone(call({ method: 'GET', path, signal }), null);
      if (answer !== null) yield* linesOf(answer, decisionSchema, 'A decision');
    },
    async contacts(sandbox) {
      const answer = await orNone(jsonOf(call({ method: 'GET', path: `/sandboxes/${sandbox}/contacts` })), null);
      return parse(contactsSchema.nullable(), answer, 'The contacts of a sandbox');
    },
    async questions() {
      const answer = await orNone(jsonOf(call({ method: 'GET', path: '/questions' })), { questions: [] });
      return parse(questionsSchema, answer, 'The questions that wait').questions;
    },
    async answer(sandbox, answers) {
      const how: Call = { method: 'PUT', path: `/sandboxes/${sandbox}/answers`, body: answers };
      return parse(answeredSchema, await orNone(jsonOf(call(how)), { served: false }), 'What became of answers').served;
    },
    async *tidings(signal) {
      const answer = await orNone(call({ method: 'GET', path: '/tidings', signal }), null);
      if (answer !== null) yield* linesOf(answer, tidingSchema, 'A tiding');
    },
    async served() {
      const answer = await orNone(jsonOf(call({ method: 'GET', path: '/sandboxes' })), { sandboxes: [] });
      return parse(servedSchema, answer, 'The sandboxes that are served').sandboxes;
    },
    // It outlives us.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function* linesOf<T>(answer: IncomingMessage, schema: z.ZodType<T>, what: string): AsyncGenerator<T> {
  try {
    for await (const line of createInterface({ input: answer })) yield parse(schema, JSON.parse(line), what);
  } finally {
    answer.destroy();
  }
}

/** The process may not run, which is not an error for those who only ask. */
async function orNone<T, N>(work: Promise<T>, none: N): Promise<T | N> {
  try {
    return await work;
  } catch (error) {
    if (isNovaError(error, 'server_unreachable')) return none;
    throw error;
  }
}

const isThere = async (call: (how: Call) => Promise<IncomingMessage>): Promise<boolean> =>
  (await orNone(jsonOf(call({ method: 'GET', path: '/sandboxes' })), null)) !== null;

const jsonOf = async (answer: Promise<IncomingMessage>): Promise<unknown> => json(await answer);
const whole = async (answer: Promise<IncomingMessage>): Promise<void> => void (await jsonOf(answer));

/**
 * One request. Rejects with `server_unreachable` where the process does not run or ends meanwhile, and with its own
 * error where it refuses.
 */
async function callAt(socketPath: string, { method, path, body, signal }: Call): Promise<IncomingMessage> {
  // Every sandbox is forgotten, also where none has a policy: these cost no request, and do not load HTTP, which takes
  // longer to load than all of this folder.
  if (!existsSync(socketPath)) throw unreachable('it does not run');
  const { request } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = request({ socketPath, method, path, agent: false, ...(signal === undefined ? {} : { signal }) });
  asked.once('response', resolve).on('error', (error) => reject(asNovaError(error, signal)));
  asked.setTimeout(answersWithinMs, () => asked.destroy(new Error('it has not answered in time')));
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const answer = await promise;
  // What follows may take as long as it takes.
  asked.setTimeout(0);
  if (answer.statusCode === 200) return answer;
  const { code, message, hint } = parse(failureSchema, await json(answer), 'A refusal of the egress process');
  throw new NovaError(code as ErrorCode, message, { hint });
}

function asNovaError(error: Error, signal: AbortSignal | undefined): NovaError {
  if (signal?.aborted === true) return new NovaError('cancelled', 'The call was cancelled.', { cause: error });
  return unreachable(error.message, error);
}

const unreachable = (why: string, cause?: Error): NovaError =>
  new NovaError('server_unreachable', `The process that decides what sandboxes reach: ${why}`, { cause });
