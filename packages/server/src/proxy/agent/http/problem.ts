import { isNovaError, toNovaError, type ErrorCode } from '@novasandbox/protocol';
import { failure, type Answer } from '../../answer.ts';
import type { Scope } from '../scope.ts';

const statuses: Partial<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  is_a_directory: 400,
  not_a_directory: 400,
  file_exists: 400,
  directory_not_empty: 400,
  file_not_found: 404,
  unknown_user: 401,
  permission_denied: 403,
  guest_resource_exhausted: 507,
  not_implemented: 501,
  guest_unreachable: 502,
  sandbox_not_found: 502,
  sandbox_not_running: 502,
};

/** Converts an error about a file into an answer. */
export function fileProblem(scope: Scope, error: unknown, path: string): Answer {
  if (isNovaError(error, 'file_not_found')) return failure(404, `path '${path}' does not exist`);
  if (isNovaError(error, 'is_a_directory')) return failure(400, `path '${path}' is a directory`);
  if (isNovaError(error, 'range_not_satisfiable')) return failure(416, 'the range is beyond the end of the file');
  if (isNovaError(error, 'unknown_user') && scope.user !== undefined)
    return failure(401, `invalid username: '${scope.user}'`);
  if (isNovaError(error, 'guest_resource_exhausted') && error.details['errno'] === 28)
    return failure(507, 'not enough disk space available');
  const { code, message } = toNovaError(error);
  const status = statuses[code];
  if (status !== undefined) return failure(status, message);
  scope.context.log.error({ err: error, sandbox: scope.info.id }, 'a file could not be served');
  return failure(500, 'internal error');
}
