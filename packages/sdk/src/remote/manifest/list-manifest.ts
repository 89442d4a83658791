import type { Manifest, ManifestRequest } from '@novasandbox/engine/services';
import { NovaError, type ManifestEntry } from '@novasandbox/protocol';
import { manifestLineSchema } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';
import { errorOfWire } from '../remote-error.ts';

/** Lists a tree over the daemon. */
export async function listRemoteManifest(
  http: HttpClient,
  ref: string,
  path: string,
  { hashBytes, ...request }: ManifestRequest,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const body = { path, hash_bytes: hashBytes, ...request };
  const lines = await http.lines('listManifest', { id: ref }, { body, signal });
  return Object.assign(entriesOf(lines), {
    [Symbol.asyncDispose]: async () => void (await lines.return()),
  });
}

async function* entriesOf(lines: AsyncIterable<unknown>): AsyncGenerator<readonly ManifestEntry[]> {
  for await (const value of lines) {
    const { entries, end, error } = manifestLineSchema.parse(value);
    if (error !== undefined) throw errorOfWire(error);
    if (end) return;
    yield entries;
  }
  throw new NovaError('server_unreachable', 'The listing ended too early.');
}
