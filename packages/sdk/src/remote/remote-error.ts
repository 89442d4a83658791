import { errorTable, NovaError, toNovaError, type ErrorCode } from '@novasandbox/protocol';
import { errorEnvelopeSchema } from '@novasandbox/protocol/api';

/** An error as the daemon told it; the same code, message and hint as where it was thrown. */
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

/** The error in the body of an answer. What is no such body comes from something between us and the daemon. */
export function errorOfAnswer(status: number, body: string): NovaError {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Said below.
  }
  const envelope = errorEnvelopeSchema.safeParse(value);
  if (envelope.success) return errorOfWire(envelope.data.error);
  return new NovaError('server_unreachable', `What answers is no NovaSandbox daemon: it answered with ${status}.`, {
    hint: 'Check NOVA_API_URL, and what stands between this host and the daemon.',
    details: { status },
  });
}

/** The connection could not be made, or broke off. */
export function connectionError(where: string, error: unknown): NovaError {
  return error instanceof NovaError ? error : new NoAnswer(where, error);
}

/** Nothing came from the daemon: whether it has done what it was asked for is not known. */
export class NoAnswer extends NovaError {
  constructor(where: string, error: unknown) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    super('server_unreachable', `The daemon at ${where} cannot be reached: ${reason}.`, { cause: error });
  }
}

/** A function, because a signal changes while the type checker thinks it does not. */
export const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

export function cancelled(signal: AbortSignal | undefined): NovaError {
  return new NovaError('cancelled', 'The call was cancelled.', { cause: signal?.reason });
}

/** What the caller's own part threw stays what it was, made a NovaError. */
export const callerError = (error: unknown): NovaError => toNovaError(error);

/** What only works in the daemon's own process. */
export function notOverDaemon(what: string): NovaError {
  return new NovaError('feature_unsupported', `${what} does not work over a daemon.`, {
    hint: 'Work embedded on the host itself: NOVA_EMBEDDED=1, or `--embedded`.',
  });
}
