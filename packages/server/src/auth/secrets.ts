import { createHash, createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Reads a secret of the daemon from a file that only its owner can read; creates the file when it is missing. */
export function secretFile(path: string, make: () => string): string {
  try {
    const found = readFileSync(path, 'utf8').trim();
    chmodSync(path, 0o600);
    if (found !== '') return found;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const made = make();
  writeSecret(path, made);
  return made;
}

/** Replaces the file atomically: a reader sees the old secret or the new one, never a part of one. */
export function writeSecret(path: string, secret: string): void {
  const half = `${path}.new`;
  writeFileSync(half, `${secret}\n`, { mode: 0o600 });
  renameSync(half, path);
}

export const newSecret = (): string => randomBytes(32).toString('hex');

export const sha256 = (text: string): string => hash('sha256', text);

/** Derives a token that only the holder of `secret` can make; it differs for each purpose and subject. */
export function derive(secret: string, purpose: string, subject: string): string {
  return createHmac('sha256', secret).update(`${purpose}\0${subject}`).digest('hex');
}

/** Compares in a time that does not depend on where the difference is. */
export function matches(given: string | undefined, expected: string): boolean {
  if (given === undefined) return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
