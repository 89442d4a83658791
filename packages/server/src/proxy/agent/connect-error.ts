import { Code, ConnectError } from '@connectrpc/connect';
import { toNovaError, type ErrorCode } from '@novasandbox/protocol';
import type { Scope } from './scope.ts';

const codes: Partial<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  command_not_found: Code.NotFound,
  command_not_executable: Code.PermissionDenied,
  unknown_user: Code.Unauthenticated,
  process_not_found: Code.NotFound,
  file_not_found: Code.NotFound,
  file_exists: Code.AlreadyExists,
  is_a_directory: Code.InvalidArgument,
  not_a_directory: Code.InvalidArgument,
  directory_not_empty: Code.FailedPrecondition,
  permission_denied: Code.PermissionDenied,
  guest_resource_exhausted: Code.ResourceExhausted,
  invalid_state: Code.FailedPrecondition,
  not_implemented: Code.Unimplemented,
  cancelled: Code.Canceled,
  command_outcome_unknown: Code.Unknown,
  command_timeout: Code.DeadlineExceeded,
  guest_unreachable: Code.Unavailable,
  sandbox_not_found: Code.Unavailable,
  sandbox_not_running: Code.Unavailable,
  shutting_down: Code.Unavailable,
  channel_busy: Code.ResourceExhausted,
};

/** Converts any thrown value into a Connect error. Internal errors are logged and not sent. */
export function connectError(scope: Scope, error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const { code, message } = toNovaError(error);
  if (code === 'unknown_user' && scope.user !== undefined)
    return new ConnectError(`invalid username: '${scope.user}'`, Code.Unauthenticated);
  const known = codes[code];
  if (known !== undefined) return new ConnectError(message, known);
  scope.context.log.error({ err: error, sandbox: scope.info.id }, 'the agent API failed');
  return new ConnectError('internal error', Code.Internal);
}

/**
 * How long after a lost connection the end of its sandbox may still be recorded. After that the sandbox counts as
 * running.
 */
const endMs = 2000;

const lost: readonly ErrorCode[] = [
  'guest_unreachable',
  'command_outcome_unknown',
  'sandbox_not_found',
  'sandbox_not_running',
];

/**
 * Tells whether the sandbox has ended during a stream. The connection of its client is then reset, as when a machine is
 * gone.
 */
export async function sandboxLost(scope: Scope, error: unknown): Promise<boolean> {
  if (!lost.includes(toNovaError(error).code)) return false;
  const { sandboxes } = scope.context.engine;
  const info = await sandboxes.get(scope.info.id).catch(() => null);
  if (info === null || info.state !== 'running') return true;
  // The connection to the guest closes before the end is recorded.
  return sandboxes.exited(scope.info.id, { signal: AbortSignal.timeout(endMs) }).then(
    () => true,
    (failed: unknown) => toNovaError(failed).code === 'sandbox_not_found',
  );
}
