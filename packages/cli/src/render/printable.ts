/**
 * Text that a guest or a file has a say in, safe to show on a terminal: control characters, with which a guest could move the cursor, set
 * the title or type for the reader, are made visible. Line ends and tabs stay.
 */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) =>
    character === '\r' ? '' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The same for a name, which must not look like another line of ours. */
export const printableName = (name: string): string => printable(name.replaceAll('\n', '\\n'));
