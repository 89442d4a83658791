import type { IncomingMessage } from 'node:http';
import type { OpenPreview, ServerContext } from '../context.ts';
import { tokenPlaces } from '../previews/token-places.ts';
import type { PortTarget } from './to-port.ts';
import type { RawHeaders } from './headers.ts';
import { valuesOf } from './target.ts';

const { query: queryName, cookie: cookieName, header: headerName } = tokenPlaces;

export interface Admission {
  readonly preview: OpenPreview;
  /** Where the client is sent with a cookie, so that the token is in its address no longer; null: it has no need. */
  readonly redirect: { readonly location: string; readonly cookie: string } | null;
}

/** Returns the preview that a request may use; null where it carries no token that opens the port. */
export function admissionOf(
  { previews, config }: Pick<ServerContext, 'previews' | 'config'>,
  { sandboxId, port }: PortTarget,
  request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>,
): Admission | null {
  const { method = 'GET', url = '/', rawHeaders } = request;
  const inQuery = splitQuery(url).token;
  const tokens = [inQuery, ...valuesOf(rawHeaders, headerName), ...cookiesOf(rawHeaders)];
  for (const token of tokens) {
    const preview = token === undefined ? null : previews.openedBy(token, sandboxId, port);
    if (preview === null) continue;
    // Without a host of its own, a cookie would be sent to other sandboxes too.
    const ownHost = (valuesOf(rawHeaders, 'host')[0] ?? '').toLowerCase().startsWith(`${port}-${sandboxId}.`);
    if (token !== inQuery || !ownHost || (method !== 'GET' && method !== 'HEAD')) return { preview, redirect: null };
    const seconds = Math.max(1, Math.floor((preview.expiresAtMs - Date.now()) / 1000));
    const secure = config.server.tls === undefined ? '' : '; Secure';
    const cookie = `${cookieName}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
    return { preview, redirect: { location: splitQuery(url).rest, cookie } };
  }
  return null;
}

/** Returns the address and headers of a request without tokens of previews. */
export function withoutTokens(url: string, raw: RawHeaders): { readonly url: string; readonly headers: string[] } {
  const headers: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name = '', value = ''] = [raw[index], raw[index + 1]];
    const lower = name.toLowerCase();
    if (lower === headerName) continue;
    if (lower !== 'cookie') headers.push(name, value);
    else {
      const kept = value.split(';').filter((pair) => nameOf(pair) !== cookieName);
      if (kept.length > 0) headers.push(name, kept.join(';').trim());
    }
  }
  return { url: splitQuery(url).rest, headers };
}

/**
 * Returns headers with another host, such as the one that a server on the guest's loopback expects. An `Origin` of the
 * same page is changed with it, since servers compare the two.
 */
export function withHost(headers: RawHeaders, local: string): string[] {
  const host = valuesOf(headers, 'host')[0] ?? '';
  return headers.map((text, index) => {
    const name = index % 2 === 1 ? headers[index - 1]?.toLowerCase() : undefined;
    if (name === 'host') return local;
    return name === 'origin' && text.replace(/^https?:\/\//, '') === host ? `http://${local}` : text;
  });
}

/** Takes the token out of an address. What is left begins with one slash, and leads to no other host. */
function splitQuery(url: string): { readonly token: string | undefined; readonly rest: string } {
  const mark = url.indexOf('?');
  if (mark === -1) return { token: undefined, rest: url };
  const pairs = url.slice(mark + 1).split('&');
  const found = pairs.find((pair) => pair.startsWith(`${queryName}=`));
  if (found === undefined) return { token: undefined, rest: url };
  const kept = pairs.filter((pair) => !pair.startsWith(`${queryName}=`)).join('&');
  const path = url.slice(0, mark).replace(/^[/\\]+/, '/');
  return { token: found.slice(queryName.length + 1), rest: kept === '' ? path : `${path}?${kept}` };
}

const nameOf = (pair: string): string => (pair.split('=', 1)[0] ?? '').trim();

const cookiesOf = (rawHeaders: RawHeaders): string[] =>
  valuesOf(rawHeaders, 'cookie')
    .flatMap((value) => value.split(';'))
    .filter((pair) => nameOf(pair) === cookieName)
    .map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
