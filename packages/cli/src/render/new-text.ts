const anchorLength = 512;

/** What the end of a growing text has gained since it was last looked at. Both may have lost their beginning. */
export function newText(seen: string, now: string): string {
  if (now.startsWith(seen)) return now.slice(seen.length);
  const anchor = seen.slice(-anchorLength);
  const at = now.lastIndexOf(anchor);
  return at < 0 ? now : now.slice(at + anchor.length);
}
