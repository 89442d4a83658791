/** Headers that are about one connection and not passed on (RFC 9110, 7.6.1). */
const ofConnection = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'proxy-authenticate', 'te'],
  ...['transfer-encoding', 'upgrade', 'http2-settings'],
]);

/** Pairs of raw headers, as Node has them: names and values by turns. */
export function* pairsOf(raw: readonly string[]): Generator<readonly [string, string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) yield [raw[index] ?? '', raw[index + 1] ?? ''];
}

/** The headers that are passed on, in their order and spelling. `alsoDrop` is in small letters. */
export function passedOn(raw: readonly string[], alsoDrop: readonly string[] = []): string[] {
  const named = namedByConnection(raw);
  const passed: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const lower = name.toLowerCase();
    if (ofConnection.has(lower) || alsoDrop.includes(lower) || named.includes(lower)) continue;
    passed.push(name, raw[index + 1] ?? '');
  }
  return passed;
}

/** The headers that the client declares to be about its connection. */
function namedByConnection(raw: readonly string[]): readonly string[] {
  const named: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index]?.toLowerCase() !== 'connection') continue;
    for (const each of (raw[index + 1] ?? '').split(',')) named.push(each.trim().toLowerCase());
  }
  // Without them nobody knows where the message ends, or whom it is for.
  return named.filter((each) => each !== 'content-length' && each !== 'host');
}
