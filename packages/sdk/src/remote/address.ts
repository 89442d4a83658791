import { NovaError } from '@novasandbox/protocol';

/** Where a daemon listens: over HTTP with a key, or on its own Unix socket, which only its owner can open. */
export type DaemonAddress =
  { readonly url: string; readonly apiKey?: string | undefined } | { readonly socketPath: string };

/** An address taken apart for the HTTP and the WebSocket client. */
export interface Endpoint {
  /** As messages name it. */
  readonly name: string;
  readonly origin: string;
  /** What comes before `/api/v1`, where the daemon lies below a path of a proxy. */
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
