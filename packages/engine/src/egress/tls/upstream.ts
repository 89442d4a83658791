import type { Socket } from 'node:net';
import { connect, createSecureContext, getCACertificates, type SecureContext, type TLSSocket } from 'node:tls';

/** Speaks TLS to servers. Their certificates have to be valid for the name, by an authority that the host trusts. */
export interface UpstreamTls {
  /**
   * Rejects with the failure of the handshake; the socket is destroyed then.
   * @param host the name that the certificate has to be for
   * @param protocols those to choose from within TLS (ALPN); none: the server is not asked
   */
  connect(socket: Socket, host: string, protocols: readonly string[]): Promise<TLSSocket>;
}

/** How long a server may take for its handshake, ms. */
const handshakeWithinMs = 10_000;

/** @param extraAuthorities certificates as PEM, which are trusted beside those of the host */
export function upstreamTls(extraAuthorities: readonly string[]): UpstreamTls {
  let context: SecureContext | undefined;
  // They are read only where TLS is read, because there are hundreds.
  const settings = (): SecureContext =>
    (context ??= createSecureContext({
      ca: [...new Set([...getCACertificates('bundled'), ...getCACertificates('system')]), ...extraAuthorities],
    }));
  return {
    async connect(socket, host, protocols) {
      const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
      const secure = connect({
        socket,
        servername: host,
        secureContext: settings(),
        ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
      });
      const fail = (error: Error): void => {
        socket.destroy();
        secure.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new Error(`${host} did not finish its handshake in time.`)),
        handshakeWithinMs,
      );
      // Errors after the handshake reach whoever uses it; none may end the process.
      secure.on('error', fail);
      secure.once('close', () => fail(new Error(`${host} closed the connection during its handshake.`)));
      secure.once('secureConnect', () => resolve(secure));
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
