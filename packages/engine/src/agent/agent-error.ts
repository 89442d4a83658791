import { NovaError, type ErrorCode, type NovaErrorOptions } from '@novasandbox/protocol';
import type { ErrorContext } from './errors.ts';
import type { Fields } from './record.ts';

/** Most characters of a guest's message that are passed on. */
const MAX_MESSAGE = 1000;

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

/** An ERROR record of the guest as the error callers meet. `details` holds the agent's code and its errno. */
export function agentError(fields: Fields, context: ErrorContext): NovaError {
  const agentCode = printable(fields.string(1)).slice(0, 64);
  const message = printable(fields.string(2)).slice(0, MAX_MESSAGE);
  const errno = fields.integer(3);
  const known = isAgentCode(agentCode) ? agentCode : 'internal';
  const hint = agentHints[known];
  const options: NovaErrorOptions = { details: { agentCode, errno }, ...(hint === undefined ? {} : { hint }) };
  const code = particular[context][known] ?? common[known];
  return new NovaError(code, message === '' ? `The guest answered ${agentCode}.` : message, options);
}

function isAgentCode(code: string): code is AgentCode {
  return Object.hasOwn(common, code);
}

/** A guest's words end in terminals and logs: control characters, which could steer them, are replaced. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}|\p{Cf}|[\u2028\u2029]/gu, '\ufffd');
}
