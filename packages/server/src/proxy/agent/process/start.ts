import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { isNovaError, parse, runOptionsSchema } from '@novasandbox/protocol';
import type { AttachedProcess, ExecRequest } from '@novasandbox/engine';
import type { ConnectRequest, ProcessEvent, StartRequest } from '../gen/process_pb.js';
import { restarting } from '../../../vms/restarting.ts';
import { deadlinePassed } from '../implement.ts';
import { keepaliveMs, keptAlive } from '../keepalive.ts';
import { sandboxEnvironment, type Scope } from '../scope.ts';
import { ended, keepalive, output, started } from './events.ts';
import type { Inputs } from './inputs.ts';
import { processOf } from './select.ts';

const kill = 9;
const maxTimeoutMs = 30 * 86_400_000;

/**
 * Starts a process and streams its events. The time limit of the call is that of the process. A process runs on when
 * its client disconnects.
 */
export async function* start(
  inputs: Inputs,
  scope: Scope,
  request: StartRequest,
  call: HandlerContext,
): AsyncGenerator<{ event: ProcessEvent }> {
  const { engine, drain } = scope.context;
  drain.refuse();
  const { exec } = engine;
  const attached = await exec.start(scope.info.id, await execRequest(scope, request, call), { signal: call.signal });
  using _input = inputs.offer(scope, attached);
  try {
    yield { event: started(attached.pid) };
    yield* follow(scope, attached, call);
  } catch (error) {
    if (!deadlinePassed(call)) throw error;
    await exec.signal(scope.info.id, attached.execId, kill).catch(() => undefined);
    throw new ConnectError('the command has reached its time limit', Code.DeadlineExceeded);
  }
}

/** Follows a process from now on. For a process that ended a short while ago, its end is reported. */
export async function* connect(
  inputs: Inputs,
  scope: Scope,
  request: ConnectRequest,
  call: HandlerContext,
): AsyncGenerator<{ event: ProcessEvent }> {
  const { execId, pid, running } = await processOf(scope, request.process);
  const from = { stdout: null, stderr: null, stdin: running };
  const attached = await scope.context.engine.exec.attach(scope.info.id, execId, from, { signal: call.signal });
  using _input = inputs.offer(scope, attached);
  try {
    yield { event: started(pid) };
    yield* follow(scope, attached, call);
  } catch (error) {
    if (!deadlinePassed(call)) throw error;
    throw new ConnectError('the stream has reached its time limit', Code.DeadlineExceeded);
  }
}

async function* follow(
  { context: { drain } }: Scope,
  attached: AttachedProcess,
  call: HandlerContext,
): AsyncGenerator<{ event: ProcessEvent }> {
  const leave = (): void => void attached.detach().catch(() => undefined);
  drain.leaving.addEventListener('abort', leave, { once: true });
  try {
    for await (const event of keptAlive(events(attached), keepaliveMs(call.requestHeader), keepalive)) yield { event };
  } catch (error) {
    throw drain.leaving.aborted ? restarting() : error;
  } finally {
    drain.leaving.removeEventListener('abort', leave);
  }
}

async function* events(attached: AttachedProcess): AsyncGenerator<ProcessEvent> {
  for await (const chunk of attached.output) yield output(chunk);
  yield ended(await attached.exit);
}

async function execRequest(scope: Scope, request: StartRequest, call: HandlerContext): Promise<ExecRequest> {
  const config = request.process;
  if (config === undefined || config.cmd === '') throw new ConnectError('no command', Code.InvalidArgument);
  const size = request.pty?.size;
  const timeoutMs = call.timeoutMs();
  const options = {
    env: { ...(await environment(scope)), ...config.envs },
    user: scope.user,
    tag: request.tag,
    ...(config.cwd === undefined || config.cwd === '' ? {} : { cwd: config.cwd }),
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.min(Math.max(1, Math.round(timeoutMs)), maxTimeoutMs) }),
  };
  const { retainBytes: _, ...parsed } = parse(runOptionsSchema, options, 'process');
  return {
    ...parsed,
    argv: [config.cmd, ...config.args],
    // The protocol cannot distinguish clients that vanished from clients that disconnected on purpose.
    waitMs: 0,
    ...(request.pty === undefined
      ? { stdin: request.stdin ?? true }
      : { pty: { cols: between(size?.cols ?? 80), rows: between(size?.rows ?? 24) } }),
  };
}

const between = (value: number): number => Math.min(Math.max(1, value), 10_000);

/** Returns the variables that describe the sandbox, without those that it was created with: these take precedence. */
async function environment(scope: Scope): Promise<Record<string, string>> {
  const { env } = await scope.context.engine.sandboxes.config(scope.info.id);
  return Object.fromEntries(Object.entries(sandboxEnvironment(scope)).filter(([name]) => env[name] === undefined));
}

/** Converts the errors for a process that takes no input. */
export function inputError(error: unknown): unknown {
  if (isNovaError(error, 'invalid_state', 'process_not_found'))
    return new ConnectError('stdin is not open', Code.FailedPrecondition);
  return error;
}
