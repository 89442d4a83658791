import { createHash, randomBytes } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const letters = 26;
const idLength = 20;

/** Random lower case letters and digits, each about 5 bits; the first is a letter. */
function randomName(length: number): string {
  let name = '';
  while (name.length < length) {
    for (const byte of randomBytes(length * 2)) {
      const choice = name.length === 0 ? letters : alphabet.length;
      // Bytes beyond the largest multiple would make some letters likelier.
      if (byte < 256 - (256 % choice) && name.length < length) name += alphabet[byte % choice] ?? '';
    }
  }
  return name;
}

/** A random sandbox id: about 100 bits, beginning with a letter (it becomes a host name). */
export const newSandboxId = (): string => randomName(idLength);

/**
 * Ids for so many children, the same for the same id, which is the id of none of them: whoever has stored that one
 * finds all of them again.
 */
export const childIds = (id: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => {
    const bytes = createHash('sha256').update(`${id} ${index}`).digest().subarray(0, idLength);
    return Array.from(bytes, (byte, at) => alphabet[byte % (at === 0 ? letters : alphabet.length)]).join('');
  });

const snapshotIdLength = 16;

/** A random snapshot id: about 80 bits. */
export const newSnapshotId = (): string => `snap${randomName(snapshotIdLength)}`;

/** The snapshot id that follows from an id that `newSandboxId` has made: it is the same each time. */
export const snapshotIdFrom = (id: string): string => `snap${id.slice(0, snapshotIdLength)}`;
