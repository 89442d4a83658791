import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import ssh2, { type Authentication } from 'ssh2';
import { forwardTo } from './forward-to.ts';
import type { Guest } from './guest.ts';
import { parsed, type SshFiles } from './keys.ts';
import { serveSession } from './serve-session.ts';
import { defaultUserName } from './user-name.ts';

/**
 * Serves one SSH client over a byte stream until either side ends it, and resolves when nothing of the client runs in
 * the guest any more. Nothing listens anywhere: the stream is the standard input and output of a ProxyCommand. Remote
 * forwards, agents, X11 and Unix sockets have no listener here, so that ssh2 refuses them.
 */
export async function serveConnection(
  wire: Duplex,
  { hostKey, userKey }: SshFiles,
  sandbox: Pick<Guest, 'engine' | 'sandboxId'>,
  interrupted: AbortSignal,
): Promise<void> {
  const [host, user] = await Promise.all([hostKey, userKey].map((file) => readFile(file, 'utf8')));
  const over = Promise.withResolvers<void>();
  const gone = new AbortController();
  const work = new Set<Promise<void>>();
  const keep = (task: Promise<void>): void => {
    const kept = task.catch(() => undefined).finally(() => work.delete(kept));
    work.add(kept);
  };
  const server = new ssh2.Server({ hostKeys: [host ?? ''], ident: 'NovaSandbox' }, (connection) => {
    let guest: Guest | undefined;
    connection.on('authentication', (asked) => {
      if (!isKnown(asked, user ?? '')) return asked.reject(['publickey']);
      const name = asked.username === defaultUserName ? undefined : asked.username;
      guest = { ...sandbox, user: name, gone: gone.signal };
      asked.accept();
    });
    connection.on('session', (accept) => {
      if (guest !== undefined) serveSession(accept(), guest, keep);
    });
    connection.on('tcpip', (accept, reject, target) => {
      if (guest !== undefined) keep(forwardTo(guest, target, accept, reject));
    });
    // A broken protocol ends the connection, which is all that the client would be told.
    connection.on('error', () => over.resolve());
    connection.on('end', () => over.resolve());
    connection.on('close', () => over.resolve());
    interrupted.addEventListener('abort', () => connection.end(), { once: true });
  });
  wire.on('error', () => over.resolve());
  wire.once('close', () => over.resolve());
  interrupted.addEventListener('abort', () => over.resolve(), { once: true });
  if (interrupted.aborted) return;
  server.injectSocket(wire);
  await over.promise;
  gone.abort();
  await Promise.all(work);
  wire.destroy();
}

/** Tells whether the client has the user key. Its first question comes without a signature. */
function isKnown({ method, key, signature, blob, hashAlgo }: Authentication, userKey: string): boolean {
  if (method !== 'publickey' || key === undefined) return false;
  const known = parsed(userKey);
  if (!known.getPublicSSH().equals(key.data)) return false;
  return signature === undefined || (blob !== undefined && known.verify(blob, signature, hashAlgo) === true);
}
