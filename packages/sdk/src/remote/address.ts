import { NovaError } from '@novasandbox/protocol';

/** Address of a daemon: an HTTP URL with a key, or the daemon's Unix socket, which only its owner can open. */
export type DaemonAddress =
  { readonly url: string; readonly apiKey?: string | undefined } | { readonly socketPath: string };

/** An address split up for the HTTP client and the WebSocket client. */
export interface Endpoint {
  /** The daemon's name in messages. */
  readonly name: string;
  readonly origin: string;
  /** Path before `/api/v1`, if a proxy serves the daemon below a path. */
  readonly prefix: string;
  readonly socketPath: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export function endpointOf(address: DaemonAddress): Endpoint {
  if ('socketPath' in address) {
    const { socketPath } = address;
    return { name: socketPath, origin: 'http://localhost', prefix: '', socketPath, headers: {} };
  }
  const url = URL.canParse(address.url) ? new URL(address.url) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.username !== '') {
    throw new NovaError('invalid_argument', `apiUrl: "${address.url}" is not of the form http://host:port.`);
  }
  const { apiKey } = address;
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new NovaError('invalid_argument', 'apiKey: must be printable characters without spaces.');
  }
  return {
    name: url.origin,
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, '').replace(/\/api\/v1$/, ''),
    socketPath: undefined,
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  };
}
