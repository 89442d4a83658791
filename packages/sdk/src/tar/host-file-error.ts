import { NovaError, type ErrorCode } from '@novasandbox/protocol';

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file_not_found',
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EROFS: 'permission_denied',
  EISDIR: 'is_a_directory',
  ENOTDIR: 'not_a_directory',
  EEXIST: 'file_exists',
  ENOTEMPTY: 'directory_not_empty',
  ENOSPC: 'host_resource_exhausted',
  EDQUOT: 'host_resource_exhausted',
  ENAMETOOLONG: 'invalid_argument',
  EINVAL: 'invalid_argument',
  ELOOP: 'invalid_argument',
};

/** Converts an error of the host's file system to a NovaError; returns any other error unchanged. */
export function hostFileError(error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const code = codes[String(error.code)];
  if (code === undefined) return error;
  return new NovaError(code, `On the host: ${error.message}`, {
    cause: error,
    hint: 'This is about a file of the host, not of the sandbox.',
  });
}
