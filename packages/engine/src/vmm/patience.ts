import { isNovaError, NovaError } from '@novasandbox/protocol';

/**
 * How long a VMM may take to answer, ms. One that is stopped (SIGSTOP), or hangs in the kernel, takes calls and never answers them: whoever waited for it without
 * end would take along all that come after.
 */
export const patience = {
  /** A command that changes or tells something: milliseconds, on a host with nothing left to give some seconds. */
  answerMs: 30_000,
  /** The first answer of one that is only just starting. */
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

/** Whether an error says that a VMM has not answered: what it was told it may do yet. */
export const isUnanswered = (error: unknown): boolean => isNovaError(error, 'vmm_failed') && 'limitMs' in error.details;
