import { NovaError } from '@novasandbox/protocol';

/** The subject of a call. The same code of the agent means different things for a program, a process and a file. */
export type ErrorContext = 'exec' | 'process' | 'file' | 'tunnel' | 'guest';

/** The guest broke the rules of the channel, which ends the session. */
export function protocolError(what: string): NovaError {
  return new NovaError('guest_protocol_error', `The guest broke the rules of its channel: ${what}.`);
}

/** The arguments of the caller cannot be sent. */
export function invalidArgument(message: string): NovaError {
  return new NovaError('invalid_argument', message);
}

/** The caller gave up: its signal fired, or it left an iteration. */
export function cancelled(reason?: unknown): NovaError {
  return new NovaError(
    'cancelled',
    'The call to the guest was cancelled.',
    reason === undefined ? {} : { cause: reason },
  );
}

/** The guest has not answered in time. */
export function timedOut(timeoutMs: number): NovaError {
  return new NovaError('guest_unreachable', `The guest has not answered within ${timeoutMs} ms.`, {
    details: { timeoutMs },
  });
}

/** A command outlived its time limit, and the guest, which has to end it, has not reported that it did. */
export function overdue(limitMs: number): NovaError {
  return new NovaError(
    'guest_unreachable',
    `The time limit of ${limitMs} ms is over, and the guest has not said that the command has ended.`,
    {
      hint: 'The guest hangs, or its VMM is stopped: the command may still run. Stop the sandbox with force.',
      details: { limitMs },
    },
  );
}

/** A command was requested and the guest reported nothing about it, so the host does not know whether it ran. */
export function outcomeUnknown(error: NovaError): NovaError {
  const message = `It is not known whether the command has run: ${error.message}`;
  return new NovaError('command_outcome_unknown', message, { cause: error, details: error.details });
}

/** Copies the reason why a session ended, so that each caller gets an error with its own stack. */
export function sessionEnded(reason: NovaError | null): NovaError {
  if (reason === null) return new NovaError('guest_unreachable', 'The session with the guest was closed.');
  return new NovaError(reason.code, reason.message, { cause: reason, hint: reason.hint });
}

/** The guest has already answered, so nothing reads the writer's bytes any more. */
export function endedError(context: ErrorContext): NovaError {
  if (context === 'exec' || context === 'process') return new NovaError('process_not_found', 'The process has ended.');
  if (context === 'tunnel') {
    return new NovaError('connection_refused', 'The connection was closed in the guest.', {
      hint: 'The program in the guest has closed it: look at its output.',
    });
  }
  return new NovaError('guest_protocol_error', 'The guest answered before it had been sent everything.');
}

/** The caller writes after it has closed the input. */
export function inputClosed(): NovaError {
  return new NovaError('invalid_state', 'The input has been closed.', { hint: 'Write before closing it.' });
}
