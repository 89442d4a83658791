import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import {
  asksForSomething,
  fields,
  givenLabels,
  nameSchema,
  NovaError,
  parse,
  type Field,
  type FieldName,
  type SnapshotInfo,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { inOwnWorkFolder, publishFrom } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import { unsupported } from '../guest/features.ts';
import type { ByteSource } from '../ports/guest-agent.ts';
import type { SnapshotRecord } from '../ports/store.ts';
import { requireDriver } from '../sandbox/attach-machine.ts';
import { newSnapshotId } from '../sandbox/id.ts';
import type { CallContext, CreateContext } from '../services.ts';
import { headerSchema, magic, maxHeaderBytes, type Header } from './archive.ts';
import { createByteReader, type ByteReader } from './byte-reader.ts';
import { toSnapshotInfo } from './find.ts';
import { readParts } from './loaded-files.ts';
import { keepGolden, keepRoot, sealLoaded } from './loaded-parts.ts';
import { problemsOf, writeManifest } from '../memory/manifest.ts';

/**
 * Reads a saved snapshot. Its header is checked before anything is written, and its files are compared with their
 * checksums before anything is kept. After an error or an abort nothing is left.
 *
 * @throws NovaError `snapshot_damaged` for what is not a whole saved snapshot, `host_resource_exhausted` where there is
 * no space for it
 */
export async function loadSnapshot(
  context: EngineContext,
  source: ByteSource,
  { name }: { readonly name?: string | undefined } = {},
  { signal, ownership }: CallContext & Pick<CreateContext, 'ownership'> = {},
): Promise<SnapshotInfo> {
  const wanted = name === undefined ? null : parse(nameSchema, name, 'name');
  const { layout, store } = context;
  const stream = pipeline(Readable.from(source), createZstdDecompress(), () => undefined);
  try {
    const reader = createByteReader(plain(stream));
    const header = await readHeader(reader);
    const saved = store.parseSnapshot(header.manifest.record);
    refuseForeign(context, saved);
    await requireSpace(context, header);
    const id = newSnapshotId();
    return await inOwnWorkFolder(layout.instants, id, signal, async (work) => {
      for (const place of ['snapshot', 'golden', 'root']) await mkdir(join(work, place), { mode: 0o700 });
      await readParts(reader, header, work, signal);
      const folder = join(work, 'snapshot');
      const problems = await problemsOf(folder, header.manifest, 'whole', signal);
      if (problems.length > 0)
        throw new NovaError('snapshot_damaged', `The saved snapshot is damaged: ${problems.join('; ')}.`, {
          details: { problems },
        });
      const root = await keepRoot(context, join(work, 'root'), saved, signal);
      const memoryFrom = await keepGolden(context, join(work, 'golden'), header.manifest, saved, signal);
      const record: Omit<SnapshotRecord, 'sequence'> = {
        ...saved,
        id,
        name: wanted ?? saved.name,
        labels: givenLabels(saved.labels),
        owner: ownership?.owner ?? null,
        team: ownership?.team ?? null,
        // Its parent may not be here.
        parentId: saved.parentId !== null && isHere(context, saved.parentId) ? saved.parentId : null,
        bootedFrom: root,
        memoryFrom: memoryFrom?.folder ?? null,
      };
      sealLoaded(folder, header.manifest);
      const { madeBy } = header.manifest;
      await writeManifest(folder, record, { madeBy, memoryFrom }, signal);
      throwIfAborted(signal, 'while a snapshot was loaded');
      await publishFrom(folder, layout.snapshot(id));
      try {
        return toSnapshotInfo(store.addSnapshot(record));
      } catch (error) {
        await publishFrom(layout.snapshot(id), join(work, 'refused'));
        throw error;
      }
    });
  } finally {
    stream.destroy();
  }
}

const isHere = ({ store }: EngineContext, id: string): boolean => store.findSnapshot(id)?.id === id;

/** Turns the errors of the decompression into ours. */
async function* plain(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch (error) {
    // A stream that is cut off ends with Z_BUF_ERROR.
    const isZstd = error instanceof Error && 'code' in error && /^Z(STD)?_/.test(String(error.code));
    if (!isZstd) throw error;
    throw new NovaError('snapshot_damaged', 'This is no saved snapshot, or a damaged one: it cannot be decompressed.', {
      cause: error,
    });
  }
}

async function readHeader(reader: ByteReader): Promise<Header> {
  const refused = (why: string, cause?: unknown): NovaError =>
    new NovaError('snapshot_damaged', `This is no saved snapshot that this version can read: ${why}.`, { cause });
  if (!(await reader.read(magic.length)).equals(magic)) throw refused('it does not begin like one');
  const length = (await reader.read(4)).readUInt32LE();
  if (length > maxHeaderBytes) throw refused('its header has no end');
  const text = (await reader.read(length)).toString('utf8');
  try {
    return headerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw refused('its header is not what it should be', error);
  }
}

/**
 * Refuses a sandbox that would reach beyond a machine of its own. Whoever made the file may name any file of this host,
 * or a hypervisor that does not isolate.
 */
function refuseForeign(context: EngineContext, { config, hypervisor }: Pick<SnapshotRecord, 'config' | 'hypervisor'>) {
  if (!requireDriver(context, hypervisor).features.virtualMachine)
    throw unsupported(context, hypervisor, 'virtualMachine');
  const named = Object.entries<Field>(fields).find(
    ([name, { hostAlone }]) => hostAlone !== undefined && asksForSomething(config[name as FieldName]),
  );
  if (named !== undefined)
    throw new NovaError(
      'snapshot_incompatible',
      `The saved snapshot is of a sandbox with ${named[0]}, which is a matter of the host that it was saved on.`,
      { hint: 'Save a snapshot of a sandbox that has nothing of its host.' },
    );
}

/** Refuses what there is no space for, before anything is written. */
async function requireSpace({ layout }: EngineContext, { parts }: Header): Promise<void> {
  const wanted = parts.reduce((total, { dataBytes }) => total + dataBytes, 0);
  const { bavail, bsize } = await statfs(layout.instants.workDirectory);
  if (wanted > bavail * bsize)
    throw new NovaError(
      'host_resource_exhausted',
      `The snapshot takes ${wanted} bytes, and ${bavail * bsize} are free where the state folder lies.`,
    );
}
