import { NovaError } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { absolutePath } from '../files/guest-path.ts';
import type { CallOptions, ExecRequest, GuestAgent } from '../ports/guest-agent.ts';
import { currentTrace } from '../ports/trace.ts';
import { connectTo, connectToAgent } from '../sandbox/find.ts';
import { reachAgent, wakeForRequest } from '../sandbox/reach.ts';
import { readOutput } from './output.ts';
import type { CallContext, ExecService } from '../services.ts';

/** How long a command waits for its client, once the client has gone without notice, ms. */
const comebackMs = 10_000;

/**
 * How long connecting to a guest and starting a command may take together, ms. This does not depend on the limit of the
 * command itself, which may be shorter than a round trip to a busy guest.
 */
const startsWithinMs = { least: 5000, most: 30_000 };

/**
 * Commands in a running sandbox: finds the sandbox, and hands the call to its agent. The callers have parsed the
 * requests.
 */
export function createExecService(context: EngineContext): ExecService {
  const agentOf = async (ref: string, { signal }: CallContext): Promise<GuestAgent> =>
    (await reachAgent(context, ref, signal)).agent;
  /** For a look at the sandbox, which wakes none. */
  const agentAwake = async (ref: string, { signal }: CallContext): Promise<GuestAgent> =>
    (await connectToAgent(context, ref, signal)).agent;
  /**
   * Connects to the guest and completes the request, within the time limit for this and the start of the command
   * together.
   */
  const prepare = async (
    ref: string,
    request: ExecRequest,
    call: CallContext,
  ): Promise<readonly [agent: GuestAgent, request: ExecRequest, options: CallOptions]> => {
    const { cwd, user, timeoutMs = 0 } = request;
    const record = await wakeForRequest(context, ref, call.signal);
    const { least, most } = startsWithinMs;
    const limitMs = timeoutMs === 0 ? most : Math.min(most, Math.max(least, timeoutMs));
    const end = performance.now() + limitMs;
    const late = (): NovaError =>
      new NovaError(
        'guest_unreachable',
        `The guest has not answered within ${limitMs} ms: the command was not started.`,
      );
    const [agent, path] = await within(limitMs, call.signal, late, async (signal) => {
      const sandbox = await connectTo(context, record, signal);
      const path = cwd === undefined ? undefined : await absolutePath(context, sandbox, cwd, user, { signal });
      return [sandbox.agent, path] as const;
    });
    const requestId = currentTrace()?.requestId;
    const complete = {
      ...request,
      ...(requestId === undefined ? {} : { requestId }),
      ...(path === undefined ? {} : { cwd: path }),
    };
    // A command without a limit of its own waits for its turn as long as the guest keeps starting others.
    const options = timeoutMs === 0 ? call : { ...call, timeoutMs: Math.max(1, Math.ceil(end - performance.now())) };
    return [agent, complete, options];
  };
  return {
    async start(ref, request, call = {}) {
      const [agent, complete, options] = await prepare(ref, { waitMs: comebackMs, ...request }, call);
      return agent.exec(complete, options);
    },
    async startDetached(ref, request, call = {}) {
      const [agent, complete, options] = await prepare(ref, request, call);
      return agent.execDetached(complete, options);
    },
    attach: async (ref, execId, from, call = {}) => (await agentOf(ref, call)).attach(execId, from, call),
    output: async (ref, execId, from, call = {}) =>
      readOutput(await agentOf(ref, call), execId, from, { signal: call.signal }),
    signal: async (ref, execId, signal, call = {}) => (await agentOf(ref, call)).signal(execId, signal, call),
    list: async (ref, call = {}) => (await agentAwake(ref, call)).processes(call),
    ping: async (ref, call = {}) => (await agentAwake(ref, call)).ping(call),
  };
}
