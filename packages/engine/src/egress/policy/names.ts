const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * A name of the domain name system as policies have it: in small letters, without a final dot. Null where the text is
 * none. What some programs read as an address, such as 2130706433 or 0x7f.1, is none either.
 */
export function nameOf(text: string): string | null {
  if (text.length > 254) return null;
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  const labels = name.split('.');
  if (name.length > 253 || !labels.every((each) => label.test(each))) return null;
  return /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? null : name;
}

/** Whether a host pattern of a rule covers that name. `*` covers everything. */
export function coversName(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  if (wanted === '*' || wanted === name) return true;
  return wanted.startsWith('*.') && name.endsWith(wanted.slice(1)) && name.length > wanted.length - 1;
}
