import type { AttachedProcess, ExecRequest, ExecService, GuestProcess } from '@novasandbox/engine/services';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { ExecClientMessage } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';
import { readRemoteOutput } from './output.ts';
import { RemoteProcess } from './process.ts';
import { notOverDaemon } from './remote-error.ts';
import type { OpenSocket } from './socket.ts';

/** Commands over the daemon: one WebSocket per command for input and output, requests for everything else. */
export function createRemoteExec(http: HttpClient, openSocket: OpenSocket): ExecService {
  async function converse(
    ref: string,
    first: ExecClientMessage,
    writable: boolean,
    signal: AbortSignal | undefined,
  ): Promise<AttachedProcess> {
    const made: { process?: RemoteProcess } = {};
    const socket = await openSocket('exec', { id: ref }, { signal }, (opening) => {
      made.process = new RemoteProcess(opening, writable, async (message, listener) => {
        const again = await openSocket('exec', { id: ref }, {}, () => listener);
        again.send(message);
        return again;
      });
      return made.process;
    });
    const process = made.process as RemoteProcess;
    const abort = (): void => {
      if (first.type === 'start') process.abandonStart(signal);
      else void process.detach();
    };
    try {
      socket.send(first);
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted === true) abort();
      await process.started;
    } catch (error) {
      signal?.removeEventListener('abort', abort);
      void socket.close();
      throw first.type === 'start' ? startFailure(error) : error;
    }
    if (signal !== undefined) {
      // From here on the signal only detaches from the process; ending it is up to the caller.
      signal.removeEventListener('abort', abort);
      const leave = (): void => void process.detach();
      signal.addEventListener('abort', leave, { once: true });
      const over = (): void => signal.removeEventListener('abort', leave);
      process.exit.then(over, over);
    }
    return process;
  }

  function start(ref: string, request: ExecRequest, signal: AbortSignal | undefined): Promise<AttachedProcess> {
    const { pty, stdin = false, retainBytes } = request;
    const message: ExecClientMessage = {
      type: 'start',
      ...wireOf(request),
      stdin,
      ...(pty === undefined ? {} : { pty: { cols: pty.cols, rows: pty.rows } }),
      ...(retainBytes === undefined ? {} : { retain_bytes: retainBytes }),
    };
    return converse(ref, message, stdin || pty !== undefined, signal);
  }

  return {
    start: async (ref, request, context) => start(ref, request, context?.signal),
    async startDetached(ref, request, context) {
      const signal = context?.signal;
      if (request.pty !== undefined || request.stdin === true || request.retainBytes !== undefined) {
        await using process = await start(ref, request, signal);
        return { execId: process.execId, pid: process.pid };
      }
      const answer = await http.call('executeDetached', { id: ref }, { body: wireOf(request), signal });
      return { execId: answer.process_id, pid: answer.pid };
    },
    attach: async (ref, execId, { stdout, stderr, stdin = true }, context) =>
      converse(
        ref,
        { type: 'attach', process_id: execId, stdout_offset: stdout, stderr_offset: stderr, stdin },
        stdin,
        context?.signal,
      ),
    output: (ref, execId, from, context) => readRemoteOutput(http, ref, execId, from, context?.signal),
    async signal(ref, execId, signal, context) {
      const options = { body: { signal }, signal: context?.signal };
      await http.call('signalProcess', { id: ref, process_id: execId }, options);
    },
    async list(ref, context) {
      const { processes } = await http.call('listProcesses', { id: ref }, { signal: context?.signal });
      return processes.map(processOfWire);
    },
    async ping(ref, context) {
      await http.call('pingGuest', { id: ref }, { signal: context?.signal });
    },
  };
}

/** The error of a start that the daemon did not answer: this side cannot know whether the command has run. */
function startFailure(error: unknown): unknown {
  // A daemon that is shutting down says so when it has started nothing. A mere closed connection says nothing.
  const closed = isNovaError(error, 'shutting_down') && error.details['closed'] !== undefined;
  if (!closed && !isNovaError(error, 'server_unreachable')) return error;
  const message = `It is not known whether the command has run: ${error.message}`;
  return new NovaError('command_outcome_unknown', message, { cause: error, details: error.details });
}

function wireOf(request: ExecRequest) {
  const { argv, cwd, env, user, timeoutMs, tag, mergeStderr, waitMs } = request;
  if (mergeStderr === true) throw notOverDaemon('mergeStderr');
  return {
    command: [...argv],
    ...(cwd === undefined ? {} : { working_directory: cwd }),
    ...(env === undefined ? {} : { environment: { ...env } }),
    ...(user === undefined ? {} : { user }),
    ...(timeoutMs === undefined ? {} : { timeout_seconds: timeoutMs / 1000 }),
    ...(tag === undefined ? {} : { tag }),
    ...(waitMs === 0 ? { keep_running: true } : {}),
  };
}

/** The contract reports only the exit code of an ended process, and no process's environment. */
function processOfWire(wire: {
  readonly id: number;
  readonly pid: number;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly tag: string;
  readonly started_at: string;
  readonly running: boolean;
  readonly pty: boolean;
  readonly exit_code: number | null;
}): GuestProcess {
  const { id, pid, argv, cwd, user, tag, running, pty, exit_code } = wire;
  const startedNs = BigInt(Date.parse(wire.started_at)) * 1_000_000n;
  const untold = { signal: null, timedOut: false, oomKilled: false, stdoutBytes: 0, stderrBytes: 0 };
  const usage = { userUs: 0, systemUs: 0, maxRssKb: 0, wallUs: 0 };
  const exit = exit_code === null ? null : { exitCode: exit_code, ...untold, ...usage };
  return { execId: id, pid, argv, cwd, user, tag, startedNs, running, pty, env: [], exit };
}
