import { NovaError } from '@novasandbox/protocol';

/** Signal numbers of Linux guests. The host's own table would be wrong where the host is not Linux. */
const signalNumbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGWINCH: 28,
} as const;

/** A signal by name or by its number in the guest. */
export type Signal = keyof typeof signalNumbers | number;

/** The number a Linux guest knows the signal by. */
export function signalNumber(signal: Signal): number {
  const number = typeof signal === 'number' ? signal : signalNumbers[signal];
  if (!Number.isInteger(number) || number < 1 || number > 64) {
    throw new NovaError(
      'invalid_argument',
      `"${String(signal)}" is not a signal: give a name such as SIGTERM, or 1-64.`,
    );
  }
  return number;
}

/** The name of a signal number, for messages. */
export function signalName(number: number): string {
  return Object.entries(signalNumbers).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}
