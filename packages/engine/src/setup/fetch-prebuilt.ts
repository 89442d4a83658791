import { constants, createReadStream, createWriteStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { flush } from '../artifacts/publish.ts';
import { fileDigest } from '../artifacts/stamp.ts';
import type { StepUpdate } from '../artifacts/step.ts';
import type { FetchPrebuilt, Part } from '../ports/image-source.ts';
import { download, downloadText, maxBytes, type Network } from './download.ts';
import { partFolder, partManifest, partManifestSchema, type PartManifest } from './mirror-part.ts';

const largestManifest = 64 << 10;
const hint = 'Write the mirror again (`nova setup mirror`), or unset NOVA_MIRROR to build it here.';

/**
 * A place that has files of parts. Each call throws where there is no such file; `isAbsent` distinguishes that from
 * other errors.
 */
interface Source {
  text(path: string): Promise<string>;
  file(path: string, to: string, bytes: number): Promise<void>;
  isAbsent(error: unknown): boolean;
  readonly name: string;
}

/**
 * Fetches parts from the mirror in NOVA_MIRROR. The programs of a mirror run here as root, so parts are fetched only
 * over https, from this host itself, or from a folder (`file:`). Null where the mirror has another kind of address, or
 * has no such part.
 */
export function createFetchPrebuilt(mirror = process.env['NOVA_MIRROR'] ?? '', network: Network = {}): FetchPrebuilt {
  return async (part, folder, update, signal) => {
    const source = sourceAt(mirror, { ...network, signal }, update);
    if (source === null) return null;
    update(`asking ${source.name}`);
    try {
      const manifest = await manifestOf(source, part);
      if (manifest === null) return null;
      for (const file of manifest.files) {
        await take(source, part, file, folder, signal);
        await flush(join(folder, file.name));
      }
      return { kernel: manifest.kernel };
    } catch (error) {
      throwIfAborted(signal, 'while a part was fetched');
      if (isNovaError(error, 'download_failed'))
        throw new NovaError(error.code, error.message, { cause: error, hint, details: error.details });
      throw error;
    }
  };
}

async function manifestOf(source: Source, part: Part): Promise<PartManifest | null> {
  const path = `${partFolder(part.kind, part.address)}/${partManifest}`;
  let text: string;
  try {
    text = await source.text(path);
  } catch (error) {
    if (source.isAbsent(error)) return null;
    throw error;
  }
  const parsed = partManifestSchema.safeParse(jsonOf(text));
  const names = parsed.data?.files.map(({ name }) => name).toSorted();
  if (
    parsed.data?.kind === part.kind &&
    parsed.data.address === part.address &&
    (part.kind === 'kernel') === (parsed.data.kernel !== null) &&
    JSON.stringify(names) === JSON.stringify(part.files.toSorted())
  )
    return parsed.data;
  throw new NovaError('download_failed', `${source.name}/${path} is not a manifest of the part ${part.kind}.`, {
    hint,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function take(
  source: Source,
  { kind, address }: Part,
  { name, bytes, sha256 }: PartManifest['files'][number],
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  const path = `${partFolder(kind, address)}/${name}`;
  const file = join(folder, name);
  await source.file(path, file, Math.min(bytes, maxBytes));
  const { size } = await stat(file);
  const found = await fileDigest(file, signal);
  if (size === bytes && found === sha256) return;
  throw new NovaError(
    'checksum_mismatch',
    `${source.name}/${path} has ${size} bytes and the SHA-256 ${found}, but its manifest says ${bytes} and ${sha256}.`,
    { hint: `Nothing of it is kept. ${hint}` },
  );
}

function sourceAt(mirror: string, network: Network, update: StepUpdate): Source | null {
  if (!URL.canParse(mirror)) return null;
  const url = new URL(mirror);
  const name = mirror.replace(/\/+$/, '');
  if (url.protocol === 'file:') return folderSource(name, fileURLToPath(url));
  if (!isTrusted(url)) return null;
  const asked = { ...network, mayAsk: isTrusted };
  return {
    name,
    text: (path) => downloadText(`${name}/${path}`, asked, largestManifest, ['http:', 'https:']),
    file: async (path, to, bytes) => void (await download(`${name}/${path}`, to, asked, update, bytes)),
    isAbsent: (error) => isNovaError(error, 'download_failed') && [404, 410].includes(Number(error.details['status'])),
  };
}

/** Code that others could change on the way must not be run. */
const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname));

function folderSource(name: string, folder: string): Source {
  const failed = (path: string, error: unknown): NovaError =>
    new NovaError('download_failed', `${join(folder, path)} cannot be read: ${String(error)}`, { cause: error, hint });
  return {
    name,
    text: async (path) => {
      try {
        const { size } = await stat(join(folder, path));
        if (size > largestManifest) throw new Error(`it is larger than ${largestManifest} bytes`);
        return await readFile(join(folder, path), 'utf8');
      } catch (error) {
        throw failed(path, error);
      }
    },
    file: async (path, to, bytes) => {
      try {
        // Reading a pipe there would never end.
        await using from = await open(join(folder, path), constants.O_RDONLY | constants.O_NONBLOCK);
        if (!(await from.stat()).isFile()) throw new Error('it is not a plain file');
        await pipeline(
          // One byte more than expected, so that a longer file is noticed.
          createReadStream('', { fd: from.fd, autoClose: false, start: 0, end: bytes }),
          createWriteStream(to, { flags: 'wx', mode: 0o600 }),
        );
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw error;
        throw failed(path, error);
      }
    },
    isAbsent: (error) =>
      error instanceof NovaError &&
      error.cause instanceof Error &&
      'code' in error.cause &&
      error.cause.code === 'ENOENT',
  };
}
