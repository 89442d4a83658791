/** Why what a guest has said cannot be passed on as an answer. */
export class BadHead extends Error {
  override readonly name = 'BadHead';
}

export interface Head {
  readonly status: number;
  /** As it is to be parsed: status line, headers, an empty line; latin1. */
  readonly text: string;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * The head of a guest's answer, latin1 and without its empty line, as it would stand if the server kept to RFC 9112. What servers send loosely is taken as browsers take it where that
 * leaves no doubt of what the answer is: lines that end in a line feed alone, folded lines, spaces before a colon, lines that are no header, lengths and codings said twice. What could be
 * read as two different answers is none. The order of the headers, their spelling and every byte of their values stay.
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

/** The parts of a status line. Throws BadHead: what does not begin with one never becomes an answer. */
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
    // Browsers pass over what is no header.
    if (token.test(name)) headers.push([name, plain(line.slice(colon + 1))]);
  }
  return headers;
}

/** No part of a line; Node does not send them. */
// oxlint-disable-next-line no-control-regex -- it is about them
const controls = /[\x01-\x08\x0b-\x1f\x7f]/g;

/** Without the white space around it, and with spaces for what is not to be sent, such as a carriage return that ends no line. */
const plain = (value: string): string => value.replaceAll(controls, ' ').replaceAll(/^[ \t]+|[ \t]+$/g, '');

/** The headers as lines, with one length or one coding at most. */
function framed(headers: readonly Header[]): string[] {
  const length = onlyOne(headers, 'content-length', (values) => {
    if (!values.every((value) => /^\d{1,15}$/.test(value))) throw new BadHead('its Content-Length is no number');
    if (new Set(values.map(Number)).size > 1) throw new BadHead('it has two lengths');
    return values[0] ?? null;
  });
  const coding = onlyOne(headers, 'transfer-encoding', (values) => {
    // No coding at all, in the words of an older HTTP.
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

/** What all values of a header, each of which may be a list, come to; null where there are none. */
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
