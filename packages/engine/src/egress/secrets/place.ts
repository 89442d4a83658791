import type { SecretPositions } from '@novasandbox/protocol';
import { pairsOf } from '../proxy/http-headers.ts';

/** The head of a request. */
export interface Head {
  /** The path with its query. */
  readonly path: string;
  /** Names and values by turns. */
  readonly headers: readonly string[];
}

/** Puts the value of a secret where its placeholder stands in a position that it may be in. */
export function placeValue(
  head: Head,
  {
    placeholder,
    value,
    positions,
  }: { readonly placeholder: string; readonly value: string; readonly positions: SecretPositions },
): Head {
  const named = new Set(positions.headers.map((each) => each.toLowerCase()));
  const headers = [...pairsOf(head.headers)].flatMap(([name, text]) => {
    const lower = name.toLowerCase();
    const basic = positions.basic && lower === 'authorization' ? withinBasic(text, placeholder, value) : null;
    if (basic !== null) return [name, basic];
    return [name, named.has(lower) ? text.replaceAll(placeholder, () => value) : text];
  });
  const [, path = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(head.path) ?? [];
  const encoded = encodeURIComponent(value);
  return {
    path:
      (positions.path ? path.replaceAll(placeholder, () => encoded) : path) +
      withinQuery(query, positions.query, placeholder, encoded),
    headers,
  };
}

/** The header with user or password replaced; null where it is not Basic, or neither is the placeholder. */
function withinBasic(header: string, placeholder: string, value: string): string | null {
  const [, scheme = '', encoded = ''] = /^(basic) +([A-Za-z0-9+/=]+)$/i.exec(header) ?? [];
  const text = Buffer.from(encoded, 'base64').toString('latin1');
  const colon = text.indexOf(':');
  if (colon < 0) return null;
  const parts = [text.slice(0, colon), text.slice(colon + 1)];
  if (!parts.includes(placeholder)) return null;
  const replaced = parts.map((part) => (part === placeholder ? value : part)).join(':');
  return `${scheme} ${Buffer.from(replaced, 'latin1').toString('base64')}`;
}

function withinQuery(query: string, names: readonly string[], placeholder: string, encoded: string): string {
  if (names.length === 0) return query;
  return query.replaceAll(/([?&])([^=&]*)=([^&]*)/g, (whole, before: string, name: string, text: string) =>
    names.includes(decoded(name)) ? `${before}${name}=${text.replaceAll(placeholder, () => encoded)}` : whole,
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
