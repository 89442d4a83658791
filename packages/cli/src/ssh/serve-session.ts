import { loginShell, signalNumber } from '@novasandbox/protocol';
import type { AttachedProcess } from '@novasandbox/engine';
import type { Session, WindowSize } from 'ssh2';
import type { Guest } from './guest.ts';
import { runProgram } from './run-program.ts';
import { serveSftp } from './sftp/serve-sftp.ts';

const mostVariables = 128;
/** The client's locale is seldom installed in a guest, which has one of its own. */
const ofTheClient = /^(?:LANG|LC_\w+)$/;

/** The command begins in the user's home, and is read by the shell that a terminal would have. */
const inShell = (command: string): string[] => [
  '/bin/sh',
  '-c',
  'cd 2>/dev/null; if command -v bash >/dev/null 2>&1; then exec bash -c "$1"; else exec sh -c "$1"; fi',
  'sh',
  command,
];
const shellAtHome: readonly string[] = ['/bin/sh', '-c', `cd 2>/dev/null; ${loginShell[2] ?? ''}`];

/** Serves one session of a client: a command, a shell, or sftp. `keep` is given the work that has to end first. */
export function serveSession(session: Session, guest: Guest, keep: (work: Promise<void>) => void): void {
  const env: Record<string, string> = {};
  let size: WindowSize | undefined;
  let running: AttachedProcess | undefined;
  const signals: number[] = [];
  const closed = new AbortController();
  session.on('close', () => closed.abort());
  session.on('env', (accept, reject, { key, val }) => {
    const isWanted = /^[A-Za-z_]\w*$/.test(key) && !ofTheClient.test(key) && Object.keys(env).length < mostVariables;
    if (!isWanted) return reject?.();
    env[key] = val;
    accept?.();
  });
  session.on('pty', (accept, _reject, terminal) => {
    size = sizeOf(terminal);
    env['TERM'] = terminal.term === '' ? 'xterm-256color' : terminal.term;
    accept?.();
  });
  session.on('window-change', (accept, _reject, changed) => {
    size = sizeOf(changed);
    running?.resize(size).catch(() => undefined);
    accept?.();
  });
  session.on('signal', (accept, reject, { name }) => {
    try {
      const signal = signalNumber(name);
      if (running === undefined) signals.push(signal);
      else running.signal(signal).catch(() => undefined);
      accept?.();
    } catch {
      reject?.();
    }
  });
  const run = (argv: readonly string[], accept: () => ReturnType<Parameters<typeof runProgram>[1]['accept']>): void => {
    const pty = size;
    const gone = AbortSignal.any([guest.gone, closed.signal]);
    const begun = (attached: AttachedProcess): void => {
      running = attached;
      if (size !== undefined && size !== pty) attached.resize(size).catch(() => undefined);
      for (const signal of signals) attached.signal(signal).catch(() => undefined);
    };
    keep(runProgram({ ...guest, gone }, { argv, env, pty, accept, begun }));
  };
  session.on('exec', (accept, _reject, { command }) => run(inShell(command), accept));
  session.on('shell', (accept) => run(shellAtHome, accept));
  session.on('sftp', (accept) =>
    keep(serveSftp(accept(), { ...guest, gone: AbortSignal.any([guest.gone, closed.signal]) })),
  );
}

/** A client without a terminal of its own reports 0. */
const sizeOf = ({ cols, rows }: WindowSize): WindowSize => ({
  cols: Math.min(cols || 80, 10_000),
  rows: Math.min(rows || 24, 10_000),
});
