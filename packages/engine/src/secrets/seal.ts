import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import type { Seals } from '../ports/seals.ts';

/** AES-256-GCM, with the lengths that it has. */
const cipher = 'aes-256-gcm';
const [keyBytes, nonceBytes, tagBytes] = [32, 12, 16];

/**
 * @param file holds the key, for its owner alone; it is made when the first text is sealed
 * @param given the key as 64 hexadecimal digits, in place of that of the file
 */
export function createSeals(file: string, given = process.env['NOVA_SECRETS_KEY']): Seals {
  let known: Buffer | undefined;
  const key = (): Buffer =>
    (known ??= given === undefined || given === '' ? keyIn(file) : keyOf(given, 'NOVA_SECRETS_KEY'));
  return {
    seal(text, about) {
      const nonce = randomBytes(nonceBytes);
      const sealing = createCipheriv(cipher, key(), nonce).setAAD(Buffer.from(about));
      const body = Buffer.concat([sealing.update(text, 'utf8'), sealing.final()]);
      return Buffer.concat([nonce, sealing.getAuthTag(), body]).toString('base64');
    },
    open(sealed, about) {
      const bytes = Buffer.from(sealed, 'base64');
      const body = nonceBytes + tagBytes;
      try {
        const opening = createDecipheriv(cipher, key(), bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
          .setAAD(Buffer.from(about))
          .setAuthTag(bytes.subarray(nonceBytes, body));
        return Buffer.concat([opening.update(bytes.subarray(body)), opening.final()]).toString();
      } catch (error) {
        throw new NovaError(
          'storage_failed',
          `The ${about.replace(/ .*/s, '')} cannot be decrypted: its key is another one.`,
          {
            cause: error,
            hint: `Put the key back in ${file}, or in NOVA_SECRETS_KEY, or set the secrets again.`,
          },
        );
      }
    },
  };
}

function keyOf(text: string, place: string): Buffer {
  const bytes = Buffer.from(text.trim(), 'hex');
  if (bytes.length === keyBytes) return bytes;
  throw new NovaError('storage_failed', `${place} holds no key: it must be ${keyBytes * 2} hexadecimal digits.`);
}

/** The key of the file. Several processes may make it at once: the first one's stays. */
function keyIn(file: string): Buffer {
  for (;;) {
    try {
      return keyOf(readFileSync(file, 'latin1'), file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
    const descriptor = openSync(draft, 'wx', 0o600);
    try {
      writeSync(descriptor, `${randomBytes(keyBytes).toString('hex')}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    try {
      linkSync(draft, file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
}
