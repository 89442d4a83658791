import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Target, Verdict } from '../policy/judge.ts';
import type { Accepted } from './accepted.ts';
import { dial } from './dial.ts';
import { serveHttp2 } from './http2.ts';
import type { HttpProxy } from './http.ts';
import { openUpstream, refuse } from './open.ts';
import type { SecurePlace, Visit } from './visit.ts';

/** A TLS connection of a guest that is to be read. */
export interface Interception {
  readonly accepted: Accepted;
  /** The name that it is for. */
  readonly host: string;
  /** The protocols that the guest offers to speak within it. */
  readonly offered: readonly string[];
  /** The bytes that were read of it. */
  readonly head: Buffer;
}

/** The protocols that can be read, the best one first. */
const readable = ['h2', 'http/1.1'] as const;
/** As they are written in a handshake. They stay, because OpenSSL keeps no copy. */
const written = new Map<string, Buffer>(
  readable.map((each) => [each, Buffer.from(`${String.fromCharCode(each.length)}${each}`, 'latin1')]),
);

/** How long a guest may take for its handshake, ms. */
const handshakeWithinMs = 10_000;

/**
 * Speaks TLS with the server as the guest would, and then with the guest as the server would, in the protocol that the
 * server chose; and judges each request between them. No certificate is made before the policy allows the host and the
 * server has shown a valid one.
 */
export async function intercept({ accepted, host, offered, head }: Interception, http: HttpProxy): Promise<void> {
  const { box, socket, address, port } = accepted;
  const target: Target = { host, address, port, request: 'to come' };
  const { leaves } = box;
  if (leaves === null) return refuse(accepted, unread, target, 'tls');
  const opened = await openUpstream(accepted, target, 'tls');
  if (opened === null) return;
  const { socket: plain, target: reached } = opened;
  socket.once('close', () => plain.destroy());
  const protocols = readable.filter((each) => offered.includes(each));
  let first: TLSSocket | null;
  try {
    first = await box.tls.connect(plain, host, protocols);
  } catch (error) {
    return refuse(
      accepted,
      { ...unread, code: isAboutCertificate(error) ? 'untrusted' : 'unreachable' },
      target,
      'tls',
    );
  }
  const upstream = first;
  const secure: SecurePlace = { host, port, address: reached.address, approved: reached.approved === true };
  const passage = box.enter({
    target: reached,
    protocol: 'tls',
    end: () => void socket.resetAndDestroy(),
  });
  socket.once('close', () => passage[Symbol.dispose]());
  const chosen = upstream.alpnProtocol === 'h2' ? 'h2' : protocols.find((each) => each === 'http/1.1');
  const guest = await answerHandshake(accepted, head, {
    isServer: true,
    secureContext: leaves.contextFor(host),
    ALPNProtocols: chosen === undefined ? undefined : written.get(chosen),
  });
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const visit: Visit & { readonly secure: SecurePlace } = { accepted, secure, gone: gone.signal };
  if (chosen === 'h2') return serveHttp2(visit, guest, upstream);
  const open = async (): Promise<Duplex> => {
    const made = first;
    first = null;
    if (made?.destroyed === false) return made;
    const { verdict, addresses } = await box.route(target, gone.signal);
    if (!verdict.allowed) throw new Error('The host is not allowed any more.');
    const again = await dial(addresses, port, gone.signal);
    return box.tls.connect(again, host, chosen === undefined ? [] : [chosen]);
  };
  http.takeSecure(visit, guest, open);
}

const unread: Verdict = { allowed: false, code: 'unsupported', rule: 'protocol', byAddress: false };

/** The errors of OpenSSL's checks and of Node's check of the name. */
const isAboutCertificate = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH/.test(String(error.code));

type ServerOptions = Pick<NonNullable<ConstructorParameters<typeof TLSSocket>[1]>, 'isServer' | 'secureContext'> & {
  readonly ALPNProtocols: Buffer | undefined;
};

/** Rejects where the guest does not finish its handshake. */
async function answerHandshake({ socket }: Accepted, head: Buffer, options: ServerOptions): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  socket.unshift(head);
  const { ALPNProtocols, ...others } = options;
  const guest = new TLSSocket(socket, { ...others, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) });
  const timer = setTimeout(() => reject(new Error('The guest did not finish its handshake.')), handshakeWithinMs);
  // Errors after the handshake reach whoever uses it; none may end the process.
  guest.on('error', reject);
  guest.once('close', () => reject(new Error('The guest closed the connection during its handshake.')));
  guest.once('secure', () => {
    // Node's own servers say so to their sockets here, and HTTP/2 waits for it.
    Object.assign(guest, { secureConnecting: false });
    resolve(guest);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
