import { malformed } from './header.ts';

/**
 * Splits an entry's path into parts below the destination; empty for the destination itself. Throws for a path that
 * would lead out of it: no tar that was asked for a directory writes such a path.
 */
export function safeParts(path: string): string[] {
  if (path.includes('\0')) throw malformed('a path with a NUL byte');
  if (path.startsWith('/')) throw malformed(`the absolute path ${quote(path)}`);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw malformed(`the path ${quote(path)}, which leads out of the destination`);
  return parts;
}

/**
 * Whether a symbolic link that lies `depth` directories below the destination stays inside of it. Only a plain form is
 * accepted: steps up first, then names. A step up after a name could lead anywhere if that name is itself a link.
 */
export function isSafeLink(target: string, depth: number): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const steps = parts.findIndex((part) => part !== '..');
  const up = steps < 0 ? parts.length : steps;
  return up <= depth && !parts.slice(up).includes('..');
}

/** Formats a byte string for a message, with control characters made visible. */
export function quote(path: string): string {
  const text = Buffer.from(path, 'latin1').toString();
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
