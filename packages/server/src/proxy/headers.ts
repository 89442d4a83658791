import { valuesOf } from './target.ts';

/** Headers that apply to one connection only and are never passed on (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);
/** A Connection header cannot declare these hop-by-hop: without them the message would mean something else. */
const notToBeNamed = new Set(['host', 'content-length', 'transfer-encoding', 'cookie', 'authorization']);
/**
 * Headers that affect more than the host that sends them: one clears the cookies of the whole site, one names other
 * servers for this address.
 */
const siteWide = new Set(['clear-site-data', 'alt-svc']);
/** Headers that tell this server where a request goes and who sent it. */
const routing = new Set(['e2b-sandbox-id', 'e2b-sandbox-port', 'e2b-traffic-access-token']);
const credentials = new Set(['x-api-key', 'x-access-token', 'authorization']);

export type RawHeaders = readonly string[];

/**
 * Returns why the framing of a request is ambiguous, or null when the request can be passed on. Node's parser has
 * refused the obvious cases before.
 */
export function framingProblem(raw: RawHeaders): string | null {
  const lengths = valuesOf(raw, 'content-length');
  const codings = valuesOf(raw, 'transfer-encoding');
  if (lengths.length > 1) return 'more than one Content-Length';
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? '')) return 'Content-Length is no number';
  if (codings.length > 1) return 'more than one Transfer-Encoding';
  if (codings.length === 1 && codings[0]?.toLowerCase() !== 'chunked') return 'Transfer-Encoding is not chunked';
  if (lengths.length > 0 && codings.length > 0) return 'both Content-Length and Transfer-Encoding';
  return null;
}

/**
 * Returns the headers that the guest gets of a request. `isOurs` tells whether a credential belongs to this server; no
 * guest may see those.
 */
export function requestHeaders(raw: RawHeaders, isOurs: (name: string, value: string) => boolean): string[] {
  const own = connectionNames(raw);
  return filtered(raw, (name, value) => {
    if (hopByHop.has(name) || own.has(name) || routing.has(name)) return false;
    return !(credentials.has(name) && isOurs(name, value));
  });
}

/**
 * Returns the headers of a guest's response for its client, or null when its length is ambiguous. The framing is set
 * anew by this server, except for a length that the parser has enforced. Headers that affect other sandboxes are
 * removed, because to a browser all sandboxes are of one site.
 */
export function responseHeaders(raw: RawHeaders, status: number): string[] | null {
  const lengths = valuesOf(raw, 'content-length');
  if (lengths.length > 1 || (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? ''))) return null;
  // A response with one of these statuses has no body, whatever its headers say (RFC 9110, 8.6). With a length, the
  // next response would be taken for the body.
  const bodiless = status < 200 || status === 204;
  const unmeasured = bodiless || valuesOf(raw, 'transfer-encoding').length > 0;
  const own = connectionNames(raw);
  const kept = filtered(
    raw,
    (name) =>
      !hopByHop.has(name) && !siteWide.has(name) && !own.has(name) && !(unmeasured && name === 'content-length'),
  );
  return kept.map((text, index) =>
    index % 2 === 1 && kept[index - 1]?.toLowerCase() === 'set-cookie' ? hostOnly(text) : text,
  );
}

/** Removes the `Domain` of a cookie, so that a browser sends the cookie to the host that set it and to no sibling. */
function hostOnly(cookie: string): string {
  const [pair = '', ...attributes] = cookie.split(';');
  const kept = attributes.filter((attribute) => !/^\s*domain\s*(?:=|$)/i.test(attribute));
  return [pair, ...kept].join(';');
}

function connectionNames(raw: RawHeaders): Set<string> {
  const names = valuesOf(raw, 'connection').flatMap((value) => value.toLowerCase().split(','));
  return new Set(names.map((name) => name.trim()).filter((name) => !notToBeNamed.has(name)));
}

function filtered(raw: RawHeaders, keeps: (name: string, value: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name = '', value = ''] = [raw[index], raw[index + 1]];
    if (keeps(name.toLowerCase(), value)) kept.push(name, value);
  }
  return kept;
}
