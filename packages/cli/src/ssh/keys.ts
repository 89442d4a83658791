import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';

/** Files with which an SSH client and `nova ssh-proxy` know each other, in a folder that only their owner may enter. */
export interface SshFiles {
  readonly hostKey: string;
  readonly userKey: string;
  /** The host key as clients look it up, under `hostKeyAlias`. */
  readonly knownHosts: string;
}

/** The name under which clients know the host key: all sandboxes have the same one, whatever they are called. */
export const hostKeyAlias = 'novasandbox';

/** Returns the files, which are generated at the first call; several processes may call at once. */
export async function ensureSshFiles(folder: string): Promise<SshFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = {
    hostKey: join(folder, 'host_key'),
    userKey: join(folder, 'user_key'),
    knownHosts: join(folder, 'known_hosts'),
  };
  const host = await ensureKey(files.hostKey);
  await ensureKey(files.userKey);
  const line = `${hostKeyAlias} ssh-ed25519 ${publicPart(host).toString('base64')}\n`;
  if ((await readFile(files.knownHosts, 'utf8').catch(() => '')) !== line) {
    await beside(files.knownHosts, line, (half) => rename(half, files.knownHosts));
  }
  return files;
}

/** Returns the public part of a private key in the form of the protocol. */
function publicPart(privateKey: string): Buffer {
  return parsed(privateKey).getPublicSSH();
}

/** Parses a key of ours. */
export function parsed(privateKey: string): ParsedKey {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  return key;
}

/** Returns the private key in a file, and makes it where there is none. */
async function ensureKey(file: string): Promise<string> {
  const there = await readFile(file, 'utf8').catch(() => null);
  if (there !== null) return there;
  const made = ssh2.utils.generateKeyPairSync('ed25519', { comment: 'novasandbox' }).private;
  // A link fails where another process was first, whose key is valid then.
  await beside(file, made, (half) =>
    link(half, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    }),
  );
  return readFile(file, 'utf8');
}

/** Writes a file that only its owner may read under a passing name, and lets `publish` give it the final one. */
async function beside(file: string, text: string, publish: (half: string) => Promise<void>): Promise<void> {
  const half = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(half, text, { mode: 0o600, flag: 'wx' });
    await publish(half);
  } finally {
    await rm(half, { force: true });
  }
}
