import { isNovaError, NovaError } from '@novasandbox/protocol';

/**
 * Time limits for answers of a VMM, ms. A VMM that is stopped (SIGSTOP), or hangs in the kernel, accepts calls and
 * never answers them. Without a limit, all later calls would wait for it too.
 */
export const patience = {
  /** A command that changes or reads something: it takes milliseconds, or seconds on an overloaded host. */
  answerMs: 30_000,
  /** The first answer of a VMM that is just starting. */
  startMs: 60_000,
  /** A command that writes or reads a guest's whole memory. */
  memoryMs: 600_000,
} as const;

export function unanswered(vmm: string, what: string, limitMs: number): NovaError {
  return new NovaError('vmm_failed', `${vmm} has not answered ${what} within ${limitMs / 1000} s.`, {
    hint: 'Its process may be stopped or the host overloaded: look at the process, or stop the sandbox with force.',
    details: { limitMs },
  });
}

/** Whether an error says that a VMM has not answered. The VMM may still carry out the command. */
export const isUnanswered = (error: unknown): boolean => isNovaError(error, 'vmm_failed') && 'limitMs' in error.details;
