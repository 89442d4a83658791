import { NovaError, parse, runOptionsSchema } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { absolutePath, type GuestPlace } from '../files/guest-path.ts';
import type { CallOptions, ExecRequest, GuestAgent } from '../ports/guest-agent.ts';
import { currentTrace } from '../ports/trace.ts';
import { linked } from '../sandbox/find.ts';
import { startLimit } from './time-limit.ts';
import type { CallContext, ExecService } from '../services.ts';

/** How long a command waits for whoever it was started for, once they are gone without a word, ms. */
const comebackMs = 10_000;

/** Commands in a running sandbox: find it, hand the call to its agent. */
export function createExecService(context: EngineContext): ExecService {
  const agentOf = async (ref: string, signal?: AbortSignal) => (await linked(context, ref, signal)).agent;
  /** The request as the agent takes it. */
  const whole = async (place: GuestPlace, request: ExecRequest, call: CallContext): Promise<ExecRequest> => {
    const { cwd, user } = request;
    const requestId = currentTrace()?.requestId;
    return {
      ...request,
      ...(requestId === undefined ? {} : { requestId }),
      ...(cwd === undefined ? {} : { cwd: await absolutePath(context, place, cwd, user, call) }),
    };
  };
  /** Has `start` start a command, in the time that there is for the way to the guest and the start together. */
  const started = async <T>(
    ref: string,
    request: ExecRequest,
    call: CallContext,
    start: (agent: GuestAgent, request: ExecRequest, options: CallOptions) => Promise<T>,
  ): Promise<T> => {
    check(request);
    const limitMs = startLimit(request.timeoutMs);
    const end = performance.now() + limitMs;
    const late = (): NovaError =>
      new NovaError(
        'guest_unreachable',
        `The guest has not answered within ${limitMs} ms: the command was not started.`,
      );
    const { agent, asked } = await within(limitMs, call.signal, late, async (signal) => {
      const place = await linked(context, ref, signal);
      return { agent: place.agent, asked: await whole(place, request, { signal }) };
    });
    // Without a limit of its own it waits for its turn as long as the guest goes on to start others.
    const timeoutMs = (request.timeoutMs ?? 0) === 0 ? undefined : Math.max(1, Math.ceil(end - performance.now()));
    return start(agent, asked, timeoutMs === undefined ? call : { ...call, timeoutMs });
  };
  return {
    start: (ref, request, call = {}) =>
      started(ref, { waitMs: comebackMs, ...request }, call, (agent, asked, options) => agent.exec(asked, options)),
    startDetached: (ref, request, call = {}) =>
      started(ref, request, call, (agent, asked, options) => agent.execDetached(asked, options)),
    attach: async (ref, execId, from, call = {}) => (await agentOf(ref, call.signal)).attach(execId, from, call),
    signal: async (ref, execId, signal, call = {}) => (await agentOf(ref, call.signal)).signal(execId, signal, call),
    list: async (ref, call = {}) => (await agentOf(ref, call.signal)).processes(call),
    ping: async (ref, call = {}) => (await agentOf(ref, call.signal)).ping(call),
  };
}

function check(request: ExecRequest): void {
  const { cwd, env, user, timeoutMs, retainBytes, tag } = request;
  parse(runOptionsSchema, { cwd, env, user, timeoutMs, retainBytes, tag }, 'command');
}
