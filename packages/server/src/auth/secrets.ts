import { createHash, createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** A secret of the daemon in a file that its owner alone can read; made when it is missing. */
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

/** Replaced in one step: a reader sees the old or the new secret, never half of one. */
export function writeSecret(path: string, secret: string): void {
  const half = `${path}.new`;
  writeFileSync(half, `${secret}\n`, { mode: 0o600 });
  renameSync(half, path);
}

export const newSecret = (): string => randomBytes(32).toString('hex');

export const sha256 = (text: string): string => hash('sha256', text);

/** Something only the holder of `secret` can make, for each purpose and subject another. */
export function derive(secret: string, purpose: string, subject: string): string {
  return createHmac('sha256', secret).update(`${purpose}\0${subject}`).digest('hex');
}

/** Equality that takes as long wherever the difference is. */
export function matches(given: string | undefined, expected: string): boolean {
  if (given === undefined) return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
