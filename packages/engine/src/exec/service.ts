import { parse, runOptionsSchema } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { ExecRequest } from '../ports/guest-agent.ts';
import { currentTrace } from '../ports/trace.ts';
import { linked } from '../sandbox/find.ts';
import type { ExecService } from '../services.ts';

/** Commands in a running sandbox: find it, hand the call to its agent. */
export function createExecService(context: EngineContext): ExecService {
  const agentOf = async (ref: string, signal?: AbortSignal) => (await linked(context, ref, signal)).agent;
  return {
    start: async (ref, request, call = {}) => (await agentOf(ref, call.signal)).exec(checked(request), call),
    startDetached: async (ref, request, call = {}) =>
      (await agentOf(ref, call.signal)).execDetached(checked(request), call),
    attach: async (ref, execId, from, call = {}) => (await agentOf(ref, call.signal)).attach(execId, from, call),
    signal: async (ref, execId, signal, call = {}) => (await agentOf(ref, call.signal)).signal(execId, signal, call),
    list: async (ref, call = {}) => (await agentOf(ref, call.signal)).processes(call),
    ping: async (ref, call = {}) => (await agentOf(ref, call.signal)).ping(call),
  };
}

function checked(request: ExecRequest): ExecRequest {
  const { cwd, env, user, timeoutMs, retainBytes, tag } = request;
  parse(runOptionsSchema, { cwd, env, user, timeoutMs, retainBytes, tag }, 'command');
  return { requestId: currentTrace()?.requestId, ...request };
}
