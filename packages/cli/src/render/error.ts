import type { Command } from 'commander';
import type { NovaError } from '@novasandbox/protocol';
import { inTypedWords } from '../args/typed-options.ts';
import { usageExitCode } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';
import { toJson } from './json.ts';
import { printable } from '@novasandbox/protocol/visible';

/** Tells an error on stderr, as text or JSON, in the words of the command line; resolves to the exit code. */
export async function reportError(
  error: unknown,
  { json, exitCode, command }: { readonly json: boolean; readonly exitCode: number; readonly command?: Command },
): Promise<number> {
  if (error instanceof UsageError) {
    process.stderr.write(`nova: ${printable(error.message)}\n`);
    return usageExitCode;
  }
  const { known, typed } = await asTyped(await asNovaError(error), command);
  process.stderr.write(json ? `${toJson({ error: known.toJSON() })}\n` : renderError(known));
  if (process.env['NOVA_DEBUG'] !== undefined)
    process.stderr.write(`${printable(error instanceof Error ? (error.stack ?? '') : '')}\n`);
  // What a shell answers for a command that is not there, or not to be run: with 125 others do what scripts expect.
  if (exitCode === 125 && known.code === 'command_not_found') return 127;
  if (exitCode === 125 && known.code === 'command_not_executable') return 126;
  return typed ? usageExitCode : exitCode;
}

/** An error about a field as one about the option that was typed for it. */
async function asTyped(error: NovaError, command?: Command): Promise<{ known: NovaError; typed: boolean }> {
  if (error.code !== 'invalid_argument' && error.code !== 'feature_unsupported') return { known: error, typed: false };
  const { NovaError } = await import('@novasandbox/protocol');
  const { message, typed } = inTypedWords(error.message, command);
  const { code, hint, details } = error;
  return {
    known: new NovaError(code, message, {
      cause: error.cause,
      hint: typed ? hint.replace('named field', 'named option') : hint,
      details,
    }),
    typed,
  };
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
