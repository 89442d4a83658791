import { errorTable, NovaError, toNovaError, type ErrorCode } from '@novasandbox/protocol';
import { errorEnvelopeSchema } from '@novasandbox/protocol/api';

/** Restores an error that the daemon reported, with its code, message and hint. */
export function errorOfWire(wire: {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly details?: Readonly<Record<string, unknown>>;
}): NovaError {
  const { code, message, hint, details = {} } = wire;
  if (Object.hasOwn(errorTable, code)) return new NovaError(code as ErrorCode, message, { hint, details });
  return new NovaError('internal', `The daemon answered with the unknown code ${code}: ${message}`, { hint, details });
}

/** Reads the error in a response body. A body in another form comes from something between us and the daemon. */
export function errorOfAnswer(status: number, body: string): NovaError {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Reported below.
  }
  const envelope = errorEnvelopeSchema.safeParse(value);
  if (envelope.success) return errorOfWire(envelope.data.error);
  return new NovaError('server_unreachable', `The server is not a NovaSandbox daemon: it answered with ${status}.`, {
    hint: 'Check NOVA_API_URL, and any proxy between this host and the daemon.',
    details: { status },
  });
}

/** The connection could not be established, or it broke. */
export function connectionError(where: string, error: unknown): NovaError {
  return error instanceof NovaError ? error : new NoAnswer(where, error);
}

/** The daemon did not answer: it is unknown whether it has done what it was asked for. */
export class NoAnswer extends NovaError {
  constructor(where: string, error: unknown) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    super('server_unreachable', `The daemon at ${where} cannot be reached: ${reason}.`, { cause: error });
  }
}

/** A function, because the type checker assumes that a signal does not change. */
export const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

export function cancelled(signal: AbortSignal | undefined): NovaError {
  return new NovaError('cancelled', 'The call was cancelled.', { cause: signal?.reason });
}

/** An error thrown by the caller's own code keeps its meaning; it is only converted to a NovaError. */
export const callerError = (error: unknown): NovaError => toNovaError(error);

/** The error for calls that only work in the daemon's own process. */
export function notOverDaemon(what: string): NovaError {
  return new NovaError('feature_unsupported', `${what} does not work over a daemon.`, {
    hint: 'Use the embedded engine on the host itself: NOVA_EMBEDDED=1, or `--embedded`.',
  });
}
