import { parse, runOptionsSchema } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { absolutePath, type GuestPlace } from '../files/guest-path.ts';
import type { ExecRequest } from '../ports/guest-agent.ts';
import { currentTrace } from '../ports/trace.ts';
import { linked } from '../sandbox/find.ts';
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
  return {
    async start(ref, request, call = {}) {
      check(request);
      const place = await linked(context, ref, call.signal);
      return place.agent.exec({ waitMs: comebackMs, ...(await whole(place, request, call)) }, call);
    },
    async startDetached(ref, request, call = {}) {
      check(request);
      const place = await linked(context, ref, call.signal);
      return place.agent.execDetached(await whole(place, request, call), call);
    },
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
