/** Parses what is stored. Its error quotes nothing of the text, as that of JSON.parse does: secrets may lie in it, and the error is shown. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is no whole JSON');
  }
}
