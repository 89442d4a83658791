import type { NovaError } from '@novasandbox/protocol';
import type { AttachedProcess, CallOptions, ExecRequest, GuestProcess } from '../ports/guest-agent.ts';
import {
  Attached,
  abandonStart,
  parseExit,
  parseStarted,
  ptyRecord,
  signalArguments,
  startFailure,
  type Started,
} from './attached.ts';
import { DEFAULT_TIMEOUT_MS, Limits, call, openLimited } from './call.ts';
import { invalidArgument, protocolError } from './errors.ts';
import { messages, methods } from './methods.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import type { StreamHandler } from './stream.ts';

const MAX_U32 = 0xffff_ffff;
/** More than a guest can run; without a bound a list of empty records would be mostly objects of ours. */
const MAX_LISTED = 32_768;

/**
 * Starts a process and attaches to it. The time limit (default 30 s) is that of the start; the signal counts until the process has ended.
 * Before the process has started an abort also kills it, so that nothing nobody knows of is left running; afterwards it only detaches.
 * Rejects with `command_not_found`, `command_not_executable`, `unknown_user`, `invalid_argument` (such as a missing cwd), and with
 * `command_outcome_unknown` when it was asked for and nothing was heard of it: it may have run. Without a time limit the guest may be silent about
 * all starts for so long: one that waits for its turn among many is not overdue.
 */
export async function exec(session: Session, request: ExecRequest, options?: CallOptions): Promise<AttachedProcess> {
  const writable = request.stdin === true || request.pty !== undefined;
  const attached = new Attached(session, writable, true, request.timeoutMs);
  return attached.start(methods.exec, execArguments(request), options);
}

/** As `exec`, but resolves to the ids and lets the process run unattended. */
export async function execDetached(
  session: Session,
  request: ExecRequest,
  options?: CallOptions,
): Promise<{ readonly execId: number; readonly pid: number }> {
  // Refused before the clock runs: a time limit of a call that never was has nothing to end.
  const args = execArguments({ ...request, waitMs: undefined }).flag(10, true);
  let started: Started | null = null;
  const { promise, resolve, reject } = Promise.withResolvers<{ execId: number; pid: number }>();
  const leave = (error: NovaError): void => {
    if (started === null) abandonStart(session, stream, error);
    else stream.abandon(error);
  };
  const limits = new Limits(options, DEFAULT_TIMEOUT_MS, leave, () => session.startAnsweredAt);
  const handler: StreamHandler = {
    message: (type, fields) => {
      if (type === messages.started) started = parseStarted(fields);
    },
    result: () => {
      if (started === null) throw protocolError('a process ended before it started');
      resolve({ execId: started.execId, pid: started.pid });
      limits.release();
    },
    failed: (error) => {
      limits.release();
      reject(started === null ? startFailure(stream, error) : error);
    },
  };
  const stream = openLimited(limits, () => session.open(methods.exec, args, 'exec', handler));
  return promise;
}

/** Attaches to a process of the guest, also one that has ended a short while ago. Rejects with `process_not_found`. */
export async function attach(
  session: Session,
  execId: number,
  from: { readonly stdout: number | null; readonly stderr: number | null; readonly stdin?: boolean },
  options?: CallOptions,
): Promise<AttachedProcess> {
  const args = new RecordWriter()
    .integer(1, execId)
    .integerOrNever(2, from.stdout)
    .integerOrNever(3, from.stderr)
    .flag(4, from.stdin);
  const attached = new Attached(session, from.stdin === true, false);
  return attached.start(methods.attach, args, options);
}

/** Sends a signal to the process and its group. Rejects with `process_not_found` when it has ended. */
export async function signal(session: Session, execId: number, number: number, options?: CallOptions): Promise<void> {
  const args = signalArguments(execId, number);
  await call(session, methods.signal, args, 'process', () => {}, options);
}

/** Processes started by `exec`: the running and those that have ended lately. */
export async function processes(session: Session, options?: CallOptions): Promise<GuestProcess[]> {
  const parse = (fields: Fields): GuestProcess[] => fields.records(1, MAX_LISTED).map(parseProcess);
  return call(session, methods.list, new RecordWriter(), 'process', parse, options);
}

function execArguments(request: ExecRequest): RecordWriter {
  if (request.argv.length === 0) throw invalidArgument('argv is empty.');
  return new RecordWriter()
    .strings(1, request.argv)
    .string(2, request.cwd)
    .environment(3, request.env)
    .string(4, request.user)
    .record(5, request.pty === undefined ? undefined : ptyRecord(request.pty))
    .integer(6, request.timeoutMs)
    .flag(7, request.stdin === true || request.pty !== undefined)
    .integer(8, request.retainBytes)
    .string(9, request.tag)
    .flag(11, request.mergeStderr)
    .string(13, request.requestId)
    .integer(14, request.waitMs);
}

function parseProcess(fields: Fields): GuestProcess {
  const exit = fields.record(9);
  return {
    execId: fields.integer(1),
    pid: fields.integerUpTo(2, MAX_U32),
    argv: fields.strings(3),
    cwd: fields.string(4),
    user: fields.string(5),
    tag: fields.string(6),
    startedNs: fields.bigint(7),
    running: fields.flag(8),
    pty: fields.flag(10),
    env: fields.strings(11),
    exit: exit === null ? null : parseExit(exit),
  };
}
