/**
 * Characters that act on a terminal instead of being displayed: control characters of both kinds (C0 and C1), with
 * which a guest could move the cursor, set the title or type for the reader, and marks that change the writing
 * direction, so that a text reads as another.
 */
// eslint-disable-next-line no-control-regex -- these characters are matched on purpose
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const hex = (character: string, digits: number): string => character.charCodeAt(0).toString(16).padStart(digits, '0');

/** Makes text that a guest or a file can influence safe to show on a terminal. Line ends and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(acting, (character) =>
    character === '\r' ? '' : character <= '\xff' ? `\\x${hex(character, 2)}` : `\\u{${hex(character, 4)}}`,
  );
}

/** The same for a name, which must not look like another line of our output. */
export const printableName = (name: string): string => printable(name.replaceAll('\n', '\\n'));

/** Makes JSON safe to show on a terminal. Such characters only occur in its strings, where they are escaped. */
export function printableJson(json: string): string {
  return json.replaceAll(acting, (character) => (character === '\r' ? character : `\\u${hex(character, 4)}`));
}
