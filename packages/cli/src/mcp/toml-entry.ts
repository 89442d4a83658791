import { parse, stringify } from 'smol-toml';
import { NovaError } from '@novasandbox/protocol';
import type { ServerCommand } from './hosts.ts';

/** Puts a table of its own at the end of a TOML document, in place of one that is there. */
export function tomlWith(text: string, path: readonly string[], { command, args, env }: ServerCommand): string {
  const rest = tomlWithout(text, path);
  if (valueAt(rest, path) !== undefined)
    throw new NovaError('invalid_argument', `The file has ${path.join('.')} in a form that cannot be changed.`, {
      hint: 'Take it out by hand, and run the command again.',
    });
  const table = { command, args, ...(Object.keys(env).length === 0 ? {} : { env }) };
  const nested = path.toReversed().reduce<unknown>((inner, name) => ({ [name]: inner }), table);
  const gap = rest === '' || rest.endsWith('\n\n') ? '' : rest.endsWith('\n') ? '\n' : '\n\n';
  const after = `${rest}${gap}${stringify(nested)}`.trimEnd();
  return `${after}\n`;
}

/** Takes a table and those within it out. Everything else stays as it is written, with its comments. */
export function tomlWithout(text: string, path: readonly string[]): string {
  parsed(text);
  const kept: string[] = [];
  let inside = false;
  for (const line of text.split('\n')) {
    const header = /^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$/.exec(line)?.[1];
    if (header !== undefined) {
      const names = header.split('.').map((name) => name.trim().replaceAll(/^["']|["']$/g, ''));
      inside = path.every((name, at) => names[at] === name);
    }
    if (!inside) kept.push(line);
  }
  return kept.join('\n');
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new NovaError('invalid_argument', `The file is no TOML that could be changed: ${reason}`, {
      hint: 'Mend the file, or add the server by hand.',
      cause: error,
    });
  }
}

const valueAt = (text: string, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    parsed(text),
  );
