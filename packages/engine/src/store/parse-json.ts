/**
 * Parses stored JSON. Its error quotes nothing of the text, as that of JSON.parse does, because the text may contain
 * secrets and the error is shown.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not complete JSON');
  }
}
