import { NovaError, type ErrorCode, type NovaErrorOptions } from '@novasandbox/protocol';
import type { ErrorContext } from './errors.ts';
import type { Fields } from './record.ts';
import { tags } from './numbers.ts';

/** The most characters of a guest's message that are passed on. */
const MAX_MESSAGE = 1000;
/** The most characters of a program's output that are passed on. */
const MAX_OUTPUT = 2048;

const common = {
  invalid_argument: 'invalid_argument',
  not_found: 'file_not_found',
  already_exists: 'file_exists',
  permission_denied: 'permission_denied',
  unauthenticated: 'unknown_user',
  resource_exhausted: 'guest_resource_exhausted',
  not_a_directory: 'not_a_directory',
  is_a_directory: 'is_a_directory',
  not_empty: 'directory_not_empty',
  unavailable: 'connection_refused',
  deadline_exceeded: 'guest_unreachable',
  unimplemented: 'not_implemented',
  hook_failed: 'hook_failed',
  internal: 'internal',
} as const satisfies Record<string, ErrorCode>;
type AgentCode = keyof typeof common;

const particular: Record<ErrorContext, Partial<Record<AgentCode, ErrorCode>>> = {
  exec: {
    not_found: 'command_not_found',
    permission_denied: 'command_not_executable',
    deadline_exceeded: 'command_timeout',
  },
  process: { not_found: 'process_not_found' },
  file: {},
  tunnel: { not_found: 'connection_refused', deadline_exceeded: 'connection_refused' },
  guest: {},
};

const agentHints: Partial<Record<AgentCode, string>> = {
  unimplemented: 'The agent in this guest is older than the host: build the template or the snapshot again.',
  internal: 'The agent in the guest failed: read `nova logs`, then restart the sandbox.',
};

/** The kernel has said no, and the agent knows the call. */
const kernelHint = 'The kernel of this guest, or the file system, cannot do this: use one that can, or do without.';

/**
 * Hints by errno, for errors where the hint of the error code would not help. The numbers are the same on all Linux.
 */
const errnoHints: Readonly<Record<number, string>> = {
  16: 'It is mounted or in use by the kernel: unmount it, or choose another path.',
  18: 'Copy it there and remove the original.',
  24: 'The guest has too many files open: close some there.',
  26: 'The program runs: end it, or write the file beside it and move it there.',
  27: 'Write less into one file, or use a file system that takes larger ones.',
  28: "The guest's disk is full: remove files there, or create the sandbox with a larger disk.",
  30: 'The file system is read-only, also for root: write elsewhere, such as to /tmp.',
  36: 'Use a shorter name.',
  40: 'Links lead in a circle: remove or mend them.',
  122: "The user's quota in the guest is used up: remove files there.",
};

/**
 * Turns an ERROR record of the guest into the error that the caller gets. `details` holds the code and the errno of
 * the agent, and of a hook that failed its path (`program`) and the end of its `output`.
 */
export function agentError(fields: Fields, context: ErrorContext): NovaError {
  const agentCode = printable(fields.string(tags.error.code)).slice(0, 64);
  const message = printable(fields.string(tags.error.message)).slice(0, MAX_MESSAGE);
  const errno = fields.integer(tags.error.errno);
  const known = isAgentCode(agentCode) ? agentCode : 'internal';
  const lacking = known === 'unimplemented' && errno !== 0 ? kernelHint : undefined;
  const hint = lacking ?? agentHints[known] ?? (context === 'file' ? errnoHints[errno] : undefined);
  const details = { agentCode, errno, ...(known === 'hook_failed' ? programOf(fields) : {}) };
  const options: NovaErrorOptions = { details, ...(hint === undefined ? {} : { hint }) };
  const code = particular[context][known] ?? common[known];
  return new NovaError(code, message === '' ? `The guest answered ${agentCode}.` : message, options);
}

/** The program of the guest that failed, and the end of its output. */
function programOf(fields: Fields): { readonly program: string; readonly output: string } {
  const output = fields.string(tags.error.output).slice(-MAX_OUTPUT).split('\n').map(printable).join('\n');
  return { program: printable(fields.string(tags.error.program)).slice(0, MAX_MESSAGE), output };
}

function isAgentCode(code: string): code is AgentCode {
  return Object.hasOwn(common, code);
}

/** Replaces control characters: messages of a guest end in terminals and logs, which such characters could steer. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}|\p{Cf}|[\u2028\u2029]/gu, '\ufffd');
}
