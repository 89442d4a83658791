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
import { messages, methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import type { StreamHandler } from './stream-handler.ts';

const MAX_U32 = 0xffff_ffff;
/**
 * More processes than a guest can run. Without a bound a list of empty records would take much memory for its
 * objects.
 */
const MAX_LISTED = 32_768;

/**
 * Starts a process and attaches to it. The time limit (default 30 s) is that of the start; the signal counts until
 * the process has ended. An abort before the process has started also kills it, so that no unknown process is left
 * running; a later one only detaches. Rejects with `command_not_found`, `command_not_executable`, `unknown_user`,
 * `invalid_argument` (such as a missing cwd), and with `command_outcome_unknown` when the request was sent and
 * nothing was heard of the process, which may have run. The default time limit begins anew whenever the guest answers
 * any start: one that waits for its turn among many is not overdue.
 */
export async function exec(session: Session, request: ExecRequest, options?: CallOptions): Promise<AttachedProcess> {
  const writable = request.stdin === true || request.pty !== undefined;
  const attached = new Attached(session, writable, true, request.timeoutMs);
  return attached.start(methods.exec, execArguments(request), options);
}

/** Works as `exec`, but resolves to the ids and lets the process run unattended. */
export async function execDetached(
  session: Session,
  request: ExecRequest,
  options?: CallOptions,
): Promise<{ readonly execId: number; readonly pid: number }> {
  // Bad arguments are refused before the clock runs, because there is no call yet that a time limit could end.
  const args = execArguments({ ...request, waitMs: undefined }).flag(tags.exec.detached, true);
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

/**
 * Attaches to a process of the guest, also to one that has ended a short while ago. Rejects with `process_not_found`.
 */
export async function attach(
  session: Session,
  execId: number,
  from: { readonly stdout: number | null; readonly stderr: number | null; readonly stdin?: boolean },
  options?: CallOptions,
): Promise<AttachedProcess> {
  const args = new RecordWriter()
    .integer(tags.attach.execId, execId)
    .integerOrNever(tags.attach.stdoutOffset, from.stdout)
    .integerOrNever(tags.attach.stderrOffset, from.stderr)
    .flag(tags.attach.control, from.stdin);
  const attached = new Attached(session, from.stdin === true, false);
  return attached.start(methods.attach, args, options);
}

/** Sends a signal to the process and its group. Rejects with `process_not_found` when it has ended. */
export async function signal(session: Session, execId: number, number: number, options?: CallOptions): Promise<void> {
  const args = signalArguments(execId, number);
  await call(session, methods.signal, args, 'process', () => {}, options);
}

/** Lists the processes that `exec` has started: those that run, and those that have ended lately. */
export async function processes(session: Session, options?: CallOptions): Promise<GuestProcess[]> {
  const parse = (fields: Fields): GuestProcess[] =>
    fields.records(tags.listResult.process, MAX_LISTED).map(parseProcess);
  return call(session, methods.list, new RecordWriter(), 'process', parse, options);
}

function execArguments(request: ExecRequest): RecordWriter {
  if (request.argv.length === 0) throw invalidArgument('argv is empty.');
  return new RecordWriter()
    .strings(tags.exec.argv, request.argv)
    .string(tags.exec.cwd, request.cwd)
    .environment(tags.exec.env, request.env)
    .string(tags.exec.user, request.user)
    .record(tags.exec.pty, request.pty === undefined ? undefined : ptyRecord(request.pty))
    .integer(tags.exec.timeoutMs, request.timeoutMs)
    .flag(tags.exec.stdin, request.stdin === true || request.pty !== undefined)
    .integer(tags.exec.retain, request.retainBytes)
    .string(tags.exec.tag, request.tag)
    .flag(tags.exec.mergeStderr, request.mergeStderr)
    .string(tags.exec.requestId, request.requestId)
    .integer(tags.exec.waitMs, request.waitMs);
}

function parseProcess(fields: Fields): GuestProcess {
  const exit = fields.record(tags.process.exit);
  return {
    execId: fields.integer(tags.process.execId),
    pid: fields.integerUpTo(tags.process.pid, MAX_U32),
    argv: fields.strings(tags.process.argv),
    cwd: fields.string(tags.process.cwd),
    user: fields.string(tags.process.user),
    tag: fields.string(tags.process.tag),
    startedNs: fields.bigint(tags.process.startedNs),
    running: fields.flag(tags.process.running),
    pty: fields.flag(tags.process.pty),
    env: fields.strings(tags.process.env),
    exit: exit === null ? null : parseExit(exit),
  };
}
