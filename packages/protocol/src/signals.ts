import { NovaError } from './errors.ts';

/** Signals of Linux guests by name. The host's own table would be wrong on hosts other than Linux. */
const signalNumbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGIOT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPOLL: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** A signal by name or by its number in the guest. */
export type Signal = keyof typeof signalNumbers | number;

/** Returns the signal's number on Linux; the name may omit SIG. */
export function signalNumber(signal: string | number): number {
  const table: Readonly<Record<string, number | undefined>> = signalNumbers;
  const number = typeof signal === 'number' ? signal : (table[signal] ?? table[`SIG${signal}`]);
  if (number === undefined || !Number.isInteger(number) || number < 1 || number > 64) {
    throw new NovaError('invalid_argument', `signal: "${signal}" is no signal: give a name such as SIGTERM, or 1-64.`);
  }
  return number;
}

/** Returns the name of a signal number for messages. */
export function signalName(number: number): string {
  return Object.entries(signalNumbers).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}
