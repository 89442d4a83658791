import type { Command } from 'commander';
import type { NovaError } from '@novasandbox/protocol';
import { inTypedWords } from '../args/typed-options.ts';
import { usageExitCode } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';
import { toJson } from './json.ts';
import { printable } from '@novasandbox/protocol/visible';

/** Reports an error on stderr, as text or JSON, with the names of options; resolves to the exit code. */
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
  // Scripts expect a shell's codes for a missing or a non-executable command; other errors keep 125.
  if (exitCode === 125 && known.code === 'command_not_found') return 127;
  if (exitCode === 125 && known.code === 'command_not_executable') return 126;
  return typed ? usageExitCode : exitCode;
}

/** Codes of errors whose messages name fields. */
const namesFields: ReadonlySet<string> = new Set(['invalid_argument', 'feature_unsupported', 'hypervisor_unavailable']);

/** Turns an error about a field into an error about the option that was typed for it. */
async function asTyped(error: NovaError, command?: Command): Promise<{ known: NovaError; typed: boolean }> {
  if (!namesFields.has(error.code)) return { known: error, typed: false };
  const { NovaError } = await import('@novasandbox/protocol');
  const { message, typed } = inTypedWords(error.message, command);
  const { code, hint, details } = error;
  return {
    known: new NovaError(code, message, {
      cause: error.cause,
      hint: typed ? hint.replace('named field', 'named option') : hint,
      details,
    }),
    // It is no mistake of the command line when no hypervisor works here.
    typed: typed && code !== 'hypervisor_unavailable',
  };
}

/** Formats message and hint for people. */
export function renderError(error: NovaError): string {
  return `nova: ${printable(error.message)}\n  hint: ${printable(error.hint)}\n`;
}

async function asNovaError(error: unknown): Promise<NovaError> {
  // Loaded only here: help and version do not need it.
  const { toNovaError } = await import('@novasandbox/protocol');
  return toNovaError(error);
}
