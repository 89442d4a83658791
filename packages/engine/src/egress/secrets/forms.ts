/**
 * The forms in which servers send a text back: as it is, as base64 also within a longer text, percent-encoded, and
 * escaped for JSON and HTML. A text of printable ASCII is expected.
 */
export function formsOf(text: string): string[] {
  const percent = encodeURIComponent(text);
  const strict = percent.replaceAll(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
  const json = JSON.stringify(text).slice(1, -1);
  const hex = Buffer.from(text).toString('hex');
  return [
    text,
    ...[percent, strict].flatMap((each) => [each, withSmallHex(each)]),
    ...[json, json.replaceAll('/', String.raw`\/`), json.replaceAll(/[<>&'+=]/g, unicodeEscape)],
    text.replaceAll(/[&<>"']/g, (each) => htmlEscapes[each] ?? each),
    ...[0, 1, 2].flatMap((offset) => {
      const encoded = base64At(text, offset);
      return [encoded, encoded.replaceAll('+', '-').replaceAll('/', '_')];
    }),
    ...[hex, hex.toUpperCase()],
  ];
}

/** The part of base64 that is the same whatever comes before the text, which is `offset` bytes modulo 3, and after. */
function base64At(text: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
  return bytes.toString('base64').slice(Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6));
}

const withSmallHex = (text: string): string => text.replaceAll(/%[0-9A-F]{2}/g, (each) => each.toLowerCase());
const unicodeEscape = (each: string): string => String.raw`\u` + each.charCodeAt(0).toString(16).padStart(4, '0');
const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
