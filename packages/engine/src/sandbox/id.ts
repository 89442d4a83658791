import { randomBytes } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const length = 20;

/** A random sandbox id: about 100 bits, lower case letters and digits, beginning with a letter (it becomes a host name). */
export function newSandboxId(): string {
  let id = '';
  while (id.length < length) {
    for (const byte of randomBytes(length * 2)) {
      const letters = id.length === 0 ? 26 : alphabet.length;
      // Bytes beyond the largest multiple would make some letters likelier.
      if (byte < 256 - (256 % letters) && id.length < length) id += alphabet[byte % letters] ?? '';
    }
  }
  return id;
}
