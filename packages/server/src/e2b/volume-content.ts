import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { inBackground } from '@novasandbox/engine';
import { isNovaError, NovaError, parse, withoutNul, type Entry, type VolumeInfo } from '@novasandbox/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { system } from '../authority/callers.ts';
import { patiently } from '../bodies/body-time.ts';
import type { OpenedVolume, ServerContext } from '../context.ts';
import { goneSignal } from '../http/gone.ts';
import { volumeIdOf } from './volumes.ts';

/** Every part of a path is looked at, so their number is bounded. */
const deepest = 64;
const pathSchema = z
  .string()
  .min(1)
  .max(4096)
  .regex(withoutNul, 'must not contain NUL')
  .refine((path) => partsOf(path).length <= deepest, `must not have more than ${deepest} parts`);
const id = z.coerce.number().int().min(0).max(0xffff_fffe);
const mode = z.coerce.number().int().min(0).max(0o7777);
const atPathSchema = z.object({ path: pathSchema });
const listSchema = atPathSchema.extend({ depth: z.coerce.number().int().min(1).max(64).default(1) });
const writeSchema = atPathSchema.extend({
  uid: id.optional(),
  gid: id.optional(),
  mode: mode.optional(),
  force: z.stringbool().default(false),
});
const metadataSchema = z.object({ uid: id.nullish(), gid: id.nullish(), mode: mode.nullish() });
type Metadata = z.output<typeof metadataSchema>;

/** Files of a volume, as one request works with them. */
interface Content extends OpenedVolume {
  /** A path of the guest for a path of the volume. */
  readonly at: (path: string) => string;
  readonly signal: AbortSignal;
}

type Handler = (content: Content, request: FastifyRequest, reply: FastifyReply) => Promise<object | undefined>;

/** E2B's API of the files of a volume. Requests carry the volume's token, or a key of who may use the volume. */
export function addVolumeContent(app: FastifyInstance, server: ServerContext): void {
  void app.register(async (scope) => {
    // Contents are streamed, whatever their type is said to be.
    scope.removeContentTypeParser('application/octet-stream');
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const route = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', what: string, handler: Handler): void => {
      scope.route({
        method,
        url: `/volumecontent/:volume/${what}`,
        config: { permission: 'own', operation: `e2b.volume.${method.toLowerCase()}.${what}` },
        handler: async (request, reply) => {
          const volume = await allowedVolume(server, request);
          const signal = goneSignal(request, reply);
          const opened = await server.volumes.open(volume);
          const content = { ...opened, signal, at: (path: string) => posix.join(opened.root, inside(path)) };
          let streams = false;
          try {
            const answer = await handler(content, request, reply);
            if (answer instanceof Readable) {
              streams = true;
              answer.once('close', () =>
                inBackground('giving back a volume', async () => opened[Symbol.asyncDispose]()),
              );
            }
            return answer ?? (await reply.send());
          } finally {
            if (!streams) await opened[Symbol.asyncDispose]();
          }
        },
      });
    };
    route('GET', 'dir', async (content, request) => {
      const { path, depth } = parse(listSchema, request.query, 'query');
      const found = await openableAt(content, path);
      if (found.type !== 'directory') throw new NovaError('file_not_found', `Path ${path} is no directory`);
      const { engine, sandboxId, at, signal } = content;
      const entries = await engine.files.list(sandboxId, at(path), { depth, user: 'root' }, { signal });
      return entries.map((entry) => bodyOf(content, entry));
    });
    route('POST', 'dir', async (content, request, reply) => {
      const { path, force, ...metadata } = parse(writeSchema, request.query, 'query');
      await makeDirectory(content, path, force, metadata);
      void reply.code(201);
      return bodyOf(content, await statOf(content, path));
    });
    route('GET', 'path', async (content, request) =>
      bodyOf(content, await statOf(content, parse(atPathSchema, request.query, 'query').path)),
    );
    route('PATCH', 'path', async (content, request) => {
      const { path } = parse(atPathSchema, request.query, 'query');
      await openableAt(content, path);
      await setMetadata(content, path, parse(metadataSchema, request.body ?? {}, 'body'));
      return bodyOf(content, await statOf(content, path));
    });
    route('DELETE', 'path', async (content, request, reply) => {
      const { path } = parse(atPathSchema, request.query, 'query');
      await statOf(content, path);
      if (inside(path) === '/') throw new NovaError('invalid_argument', 'path: the root of a volume cannot be removed');
      await content.engine.files.remove(content.sandboxId, content.at(path), 'root', { signal: content.signal });
      void reply.code(204);
      return undefined;
    });
    route('GET', 'file', async (content, request, reply) => {
      const { path } = parse(atPathSchema, request.query, 'query');
      if ((await openableAt(content, path)).type !== 'file')
        throw new NovaError('file_not_found', `Path ${path} not found`);
      const { engine, sandboxId, at, signal } = content;
      const reader = await engine.files.read(sandboxId, at(path), { user: 'root' }, { signal });
      void reply.type('application/octet-stream');
      return Readable.from(reader.bytes, { objectMode: false });
    });
    route('PUT', 'file', async (content, request, reply) => {
      const { path, force, ...metadata } = parse(writeSchema, request.query, 'query');
      const before = await entryAt(content, path);
      if (before !== null && (before.type === 'directory' || !force))
        throw new NovaError('file_exists', `Path ${path} already exists`);
      if (before !== null) refuseLink(before, path);
      await openableAt(content, posix.dirname(inside(path)));
      const { engine, sandboxId, at, signal } = content;
      const body = patiently(request.raw, server.config.server.body_timeout_seconds * 1000);
      await engine.files.write(sandboxId, at(path), body, { mode: metadata.mode }, { signal });
      await setMetadata(content, path, metadata);
      void reply.code(201);
      return bodyOf(content, await statOf(content, path));
    });
  });
}

/** A path within the volume, from its root on. Dots do not lead out of it. */
const inside = (path: string): string => posix.join('/', path).replace(/(.)\/$/, '$1');
const partsOf = (path: string): string[] => inside(path).split('/').slice(1);

/**
 * The volume of a request that carries its token, or the key of a caller who may use it.
 * @throws NovaError `unauthenticated`, `forbidden`, `volume_not_found`
 */
async function allowedVolume(server: ServerContext, request: FastifyRequest): Promise<VolumeInfo> {
  const { auth, connections, viewOf } = server;
  const wanted = volumeIdOf(request);
  const token = /^Bearer +(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1];
  if (auth.matches(token, auth.volumeToken(wanted))) {
    connections.vouchFor(request.raw.socket);
    return viewOf(system).engine.volumes.get(wanted);
  }
  const principal = await auth.authenticate(request.headers);
  connections.vouchFor(request.raw.socket);
  for (const permission of ['volume:write', 'guest:file_transfer'] as const) auth.authorise(principal, permission);
  return viewOf(principal).engine.volumes.get(wanted);
}

/**
 * The entry at a path; of a link, the link itself. A link on the way is refused: whoever wrote to the volume may have
 * made it, and it can lead to the files of the sandbox that has the volume now.
 */
async function entryAt(content: Content, path: string): Promise<Entry | null> {
  const parts = partsOf(path);
  for (let depth = 1; depth < parts.length; depth += 1) {
    const above = await lookAt(content, parts.slice(0, depth).join('/'));
    if (above === null) return null;
    refuseLink(above, path);
  }
  return lookAt(content, path);
}

async function lookAt({ engine, sandboxId, at, signal }: Content, path: string): Promise<Entry | null> {
  try {
    return await engine.files.stat(sandboxId, at(path), 'root', { signal });
  } catch (error) {
    if (isNovaError(error, 'file_not_found', 'not_a_directory')) return null;
    throw error;
  }
}

function refuseLink(entry: Entry, path: string): void {
  if (entry.symlinkTarget !== null)
    throw new NovaError('permission_denied', `Path ${path} leads over a link, which is not followed`);
}

/** The entry at a path that is to be opened, so that it may not be a link either. */
async function openableAt(content: Content, path: string): Promise<Entry> {
  const found = await statOf(content, path);
  refuseLink(found, path);
  return found;
}

async function statOf(content: Content, path: string): Promise<Entry> {
  const found = await entryAt(content, path);
  if (found === null) throw new NovaError('file_not_found', `Path ${path} not found`);
  return found;
}

/** Makes a directory, and with `force` its parents. Each one that is made gets the metadata. */
async function makeDirectory(content: Content, path: string, force: boolean, metadata: Metadata): Promise<void> {
  const before = await entryAt(content, path);
  if (before?.type === 'directory' && force) return;
  if (before !== null) throw new NovaError('file_exists', `Path ${path} already exists`);
  const parent = posix.dirname(inside(path));
  const above = await entryAt(content, parent);
  if (above === null) {
    if (!force) throw new NovaError('file_not_found', `Path ${parent} not found`);
    await makeDirectory(content, parent, force, metadata);
  } else if (above.type !== 'directory') throw new NovaError('file_exists', `Path ${parent} is not a directory`);
  const { engine, sandboxId, at, signal } = content;
  await engine.files.makeDirectory(sandboxId, at(path), { mode: metadata.mode ?? undefined }, { signal });
  await setMetadata(content, path, metadata);
}

async function setMetadata({ engine, sandboxId, at, signal }: Content, path: string, metadata: Metadata) {
  const { uid, gid, mode: wanted } = metadata;
  if ((uid ?? null) !== null || (gid ?? null) !== null) {
    // The agent sets owner and group only together.
    const argv = ['chown', '-h', '--', `${uid ?? ''}:${gid ?? ''}`, at(path)];
    await using running = await engine.exec.start(sandboxId, { argv, user: 'root', cwd: '/' }, { signal });
    for await (const _ of running.output);
    const { exitCode } = await running.exit;
    if (exitCode !== 0) throw new NovaError('permission_denied', `The owner of ${path} could not be changed.`);
  }
  if ((wanted ?? null) !== null)
    await engine.files.setAttributes(sandboxId, at(path), { mode: wanted ?? 0, user: 'root' }, { signal });
}

/** An entry as E2B's clients read it. The times of the last access and of the last change are not known. */
function bodyOf({ root }: Content, entry: Entry) {
  const path = inside(entry.path.startsWith(root) ? entry.path.slice(root.length) : entry.path);
  const type = entry.symlinkTarget !== null ? 'symlink' : entry.type === 'other' ? 'unknown' : entry.type;
  return {
    name: posix.basename(path),
    path,
    type,
    size: entry.size,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    atime: entry.modifiedAt,
    mtime: entry.modifiedAt,
    ctime: entry.modifiedAt,
    ...(entry.symlinkTarget === null ? {} : { target: entry.symlinkTarget }),
  };
}
