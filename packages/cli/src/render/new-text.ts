const anchorLength = 512;

/** Returns the text that was appended since the last look. Both texts may have lost their beginning. */
export function newText(seen: string, now: string): string {
  if (now.startsWith(seen)) return now.slice(seen.length);
  const anchor = seen.slice(-anchorLength);
  const at = now.lastIndexOf(anchor);
  return at < 0 ? now : now.slice(at + anchor.length);
}
