/** Headers that are about one connection and not passed on (RFC 9110, 7.6.1). */
const ofConnection = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'proxy-authenticate', 'te'],
  ...['transfer-encoding', 'upgrade', 'http2-settings'],
]);

/** Pairs of raw headers, as Node has them: names and values by turns. */
export function* pairsOf(raw: readonly string[]): Generator<readonly [string, string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) yield [raw[index] ?? '', raw[index + 1] ?? ''];
}

/** The headers that are passed on, in their order and spelling. */
export function passedOn(raw: readonly string[], alsoDrop: readonly string[] = []): string[] {
  const named = new Set<string>();
  for (const [name, value] of pairsOf(raw)) {
    if (name.toLowerCase() !== 'connection') continue;
    for (const each of value.split(',')) named.add(each.trim().toLowerCase());
  }
  // Without them nobody knows where the message ends, or whom it is for.
  for (const needed of ['content-length', 'host']) named.delete(needed);
  const dropped = new Set([...ofConnection, ...alsoDrop, ...named]);
  return [...pairsOf(raw)].filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}
