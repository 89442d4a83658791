import { isIPv4 } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Target, Verdict } from '../policy/judge.ts';
import { nameOf } from '../policy/names.ts';

/** Where a request wants to go, or why it is not passed on. */
export type RequestTarget =
  | { readonly target: Target; readonly path: string; readonly authority: string | null }
  | { readonly target: Target; readonly refused: Verdict };

/** The place that a connection leads to. */
export interface Destination {
  readonly address: string | null;
  readonly pinned: string | null;
  readonly port: number;
  /** The name that the connection is for where it is TLS; null: it is plain. */
  readonly secureHost: string | null;
}

const refused = (code: 'malformed' | 'unsupported' | 'misdirected'): Verdict => ({
  allowed: false,
  code,
  rule: 'protocol',
  byAddress: false,
});

/**
 * Reads the target of a request. There has to be exactly one way to read it: one Host, which agrees with an absolute
 * address and, where it is an address, with that of the connection. Within TLS it is the name of the handshake.
 */
export function targetOf(request: IncomingMessage, destination: Destination): RequestTarget {
  const { address, pinned, port, secureHost } = destination;
  const { method = '', url = '' } = request;
  const bare: Target = { host: secureHost ?? pinned, address, port, request: { method, path: url } };
  if (method === 'CONNECT' || method === 'TRACE') return { target: bare, refused: refused('unsupported') };
  const malformed: RequestTarget = { target: bare, refused: refused('malformed') };

  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
  const authority = request.headers.host ?? null;
  // Before HTTP/1.1 there need not be one.
  if (hosts > 1 || (hosts === 0 && request.httpVersion !== '1.0')) return malformed;

  const path = pathOf(url, method, authority, secureHost === null ? 'http' : 'https');
  if (path === null) return malformed;
  if (authority === null) return { target: { ...bare, request: { method, path } }, path, authority };
  const [, host = '', digits] = /^([^:]*)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  if (host === '' || (digits !== undefined && Number(digits) > 65_535)) return malformed;
  const named = { address, port, request: { method, path } };
  if (secureHost !== null) {
    const isSame = nameOf(host) === secureHost && Number(digits ?? port) === port;
    const target = { ...named, host: secureHost };
    return isSame ? { target, path, authority } : { target, refused: refused('misdirected') };
  }
  if (isIPv4(host)) return host === address ? { target: { ...named, host: null }, path, authority } : malformed;
  const name = nameOf(host);
  return name === null ? malformed : { target: { ...named, host: name }, path, authority };
}

/** The path with its query; null where the request target is none, or contradicts the Host. */
function pathOf(url: string, method: string, authority: string | null, scheme: 'http' | 'https'): string | null {
  if (url.startsWith('/') || (url === '*' && method === 'OPTIONS')) return url;
  const [, its = '', named = '', path = ''] = /^(https?):\/\/([^/?#@]+)([/?].*)?$/i.exec(url) ?? [];
  if (its.toLowerCase() !== scheme || named === '' || named.toLowerCase() !== authority?.toLowerCase()) return null;
  return path.startsWith('/') ? path : `/${path}`;
}
