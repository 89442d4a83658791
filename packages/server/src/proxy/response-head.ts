/** A guest's answer cannot be passed on; the message says why. */
export class BadHead extends Error {
  override readonly name = 'BadHead';
}

export interface Head {
  readonly status: number;
  /** The text for the parser: status line, headers, an empty line; latin1. */
  readonly text: string;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Rewrites the head of a guest's answer, given as latin1 without its empty line, so that it conforms to RFC 9112.
 * Deviations that leave no doubt about the answer are read as browsers read them: lines that end in a line feed alone,
 * folded lines, spaces before a colon, lines that are not headers, repeated lengths and codings. A head that could be
 * read as two different answers is refused. The order, the spelling and the values of the headers stay, except for
 * control characters and surrounding white space.
 * @throws BadHead
 */
export function tidyHead(said: string): Head {
  if (said.includes('\0')) throw new BadHead('its headers hold a NUL');
  const [first = '', ...rest] = said.split(/\r?\n/);
  const { minor, digits, reason } = requireStatusLine(first);
  const headers = headersOf(rest);
  const lines = [`HTTP/1.${minor === '0' ? 0 : 1} ${digits} ${plain(reason)}`.trimEnd(), ...framed(headers)];
  return { status: Number(digits), text: `${lines.join('\r\n')}\r\n\r\n` };
}

/** Returns the parts of a status line. Throws BadHead for any other line: an answer has to begin with a status line. */
export function requireStatusLine(line: string): {
  readonly minor: string;
  readonly digits: string;
  readonly reason: string;
} {
  const [, minor, digits, reason = ''] = /^HTTP\/1\.(\d) +(\d{3})(?:[ \t]+(.*))?\r?$/i.exec(line) ?? [];
  if (minor === undefined || digits === undefined) throw new BadHead('it does not begin as HTTP/1');
  return { minor, digits, reason };
}

type Header = readonly [name: string, value: string];

function headersOf(lines: readonly string[]): Header[] {
  const headers: Header[] = [];
  for (const line of lines) {
    const last = headers.at(-1);
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) headers.splice(-1, 1, [last[0], `${last[1]} ${plain(line)}`.trim()]);
      continue;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trimEnd();
    // Browsers ignore lines that are not headers.
    if (token.test(name)) headers.push([name, plain(line.slice(colon + 1))]);
  }
  return headers;
}

/** Control characters cannot be part of a line, and Node does not send them. */
// oxlint-disable-next-line no-control-regex -- the pattern is meant to match them
const controls = /[\x01-\x08\x0b-\x1f\x7f]/g;

/**
 * Removes surrounding white space, and replaces characters that must not be sent by spaces, such as a carriage return
 * that ends no line.
 */
const plain = (value: string): string => value.replaceAll(controls, ' ').replaceAll(/^[ \t]+|[ \t]+$/g, '');

/** Returns the headers as lines, with at most one length or one coding. */
function framed(headers: readonly Header[]): string[] {
  const length = onlyOne(headers, 'content-length', (values) => {
    if (!values.every((value) => /^\d{1,15}$/.test(value))) throw new BadHead('its Content-Length is no number');
    if (new Set(values.map(Number)).size > 1) throw new BadHead('it has two lengths');
    return values[0] ?? null;
  });
  const coding = onlyOne(headers, 'transfer-encoding', (values) => {
    // `identity` is the name for no coding in older versions of HTTP.
    const codings = values.map((value) => value.toLowerCase()).filter((value) => value !== 'identity');
    if (!codings.every((value) => value === 'chunked')) throw new BadHead('its Transfer-Encoding is not chunked');
    return codings[0] ?? null;
  });
  if (length !== null && coding !== null) throw new BadHead('it has both a length and chunks');
  const said = new Set<string>();
  return headers.flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    if (lower !== 'content-length' && lower !== 'transfer-encoding') return [`${name}: ${value}`];
    const only = lower === 'content-length' ? length : coding;
    if (only === null || said.has(lower)) return [];
    said.add(lower);
    return [`${name}: ${only}`];
  });
}

/** Reduces all values of a header, each of which may be a list, to one; null when there are none. */
function onlyOne(
  headers: readonly Header[],
  wanted: string,
  agree: (values: readonly string[]) => string | null,
): string | null {
  const values = headers
    .filter(([name]) => name.toLowerCase() === wanted)
    .flatMap(([, value]) => value.split(',').map((each) => each.trim()));
  return values.length === 0 ? null : agree(values);
}
