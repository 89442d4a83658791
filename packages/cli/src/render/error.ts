import type { NovaError } from '@novasandbox/protocol';
import { UsageError } from '../usage-error.ts';
import { toJson } from './json.ts';
import { printable } from '@novasandbox/protocol/visible';

/** Tells an error on stderr, as text or JSON; resolves to the exit code. */
export async function reportError(
  error: unknown,
  { json, exitCode }: { readonly json: boolean; readonly exitCode: number },
): Promise<number> {
  if (error instanceof UsageError) {
    process.stderr.write(`nova: ${printable(error.message)}\n`);
    return 2;
  }
  const known = await asNovaError(error);
  process.stderr.write(json ? `${toJson({ error: known.toJSON() })}\n` : renderError(known));
  if (process.env['NOVA_DEBUG'] !== undefined)
    process.stderr.write(`${printable(error instanceof Error ? (error.stack ?? '') : '')}\n`);
  // What a shell answers for a command that is not there, or not to be run: with 125 others do what scripts expect.
  if (exitCode === 125 && known.code === 'command_not_found') return 127;
  if (exitCode === 125 && known.code === 'command_not_executable') return 126;
  return exitCode;
}

/** Message and hint, for people. */
export function renderError(error: NovaError): string {
  return `nova: ${printable(error.message)}\n  hint: ${printable(error.hint)}\n`;
}

async function asNovaError(error: unknown): Promise<NovaError> {
  // Only loaded here: the help and the version do without.
  const { toNovaError } = await import('@novasandbox/protocol');
  return toNovaError(error);
}
