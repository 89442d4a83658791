import { entryWireOf } from '@novasandbox/protocol/api';
import type { RouteContext } from '../daemon-context.ts';
import { patiently } from '../bodies/body-time.ts';
import { archiveAnswer, fileAnswer } from '../streams/download.ts';
import { manifestAnswer } from '../streams/manifest.ts';
import { receiveUpload } from '../streams/upload.ts';
import type { Call, JsonHandlers, StreamHandlers } from './call.ts';

const modeOf = (permissions: string | undefined): number | undefined =>
  permissions === undefined ? undefined : Number.parseInt(permissions, 8);

/** Files are sent in the bodies of requests and answers. All paths are paths in the guest. */
export function fileHandlers({
  config,
}: RouteContext): Pick<
  JsonHandlers,
  | 'uploadFile'
  | 'writeFile'
  | 'listFiles'
  | 'statFile'
  | 'removeFile'
  | 'makeDirectory'
  | 'moveFile'
  | 'setFileAttributes'
  | 'uploadArchive'
> {
  const silenceMs = config.server.body_timeout_seconds * 1000;
  const bodyOf = ({ request }: Pick<Call<'writeFile'>, 'request'>) => patiently(request.raw, silenceMs);
  return {
    uploadFile: ({ engine: { files }, params, signal, request }) =>
      receiveUpload(request.raw, silenceMs, async ({ path, permissions, user, bytes }) =>
        entryWireOf(await files.write(params.id, path, bytes, { mode: modeOf(permissions), user }, { signal })),
      ),
    async writeFile({ engine: { files }, params, query, signal, request }) {
      const { path, user, append, exclusive, offset } = query;
      const how = { mode: modeOf(query.permissions), user, append, exclusive, offset };
      return entryWireOf(await files.write(params.id, path, bodyOf({ request }), how, { signal }));
    },
    async listFiles({ engine: { files }, params, query, signal }) {
      const depth = query.depth ?? (query.recursive ? 64 : 1);
      const entries = await files.list(params.id, query.path, { depth, user: query.user }, { signal });
      return { entries: entries.map(entryWireOf) };
    },
    statFile: async ({ engine: { files }, params, query, signal }) =>
      entryWireOf(await files.stat(params.id, query.path, query.user, { signal })),
    removeFile: async ({ engine: { files }, params, query, signal }) => ({
      existed: await files.remove(params.id, query.path, query.user, { signal }),
    }),
    makeDirectory: async ({ engine: { files }, params, body, signal }) => ({
      created: await files.makeDirectory(
        params.id,
        body.path,
        { mode: modeOf(body.permissions), user: body.user },
        { signal },
      ),
    }),
    moveFile: async ({ engine: { files }, params, body, signal }) =>
      entryWireOf(await files.move(params.id, body.source, body.destination, body.user, { signal })),
    async setFileAttributes({ engine: { files }, params, body, signal }) {
      const mode = modeOf(body.permissions);
      const attributes = {
        ...(mode === undefined ? {} : { mode }),
        ...(body.owner === undefined ? {} : { owner: body.owner }),
        user: body.user,
      };
      return entryWireOf(await files.setAttributes(params.id, body.path, attributes, { signal }));
    },
    uploadArchive: ({ engine: { files }, params, query, signal, request }) =>
      files.tarIn(params.id, query.path, bodyOf({ request }), query.user, { signal }),
  };
}

export function fileStreams(): Pick<StreamHandlers, 'downloadFile' | 'downloadArchive' | 'listManifest'> {
  return {
    downloadFile: ({ engine, params, query, signal, request }) =>
      fileAnswer(engine, params.id, query, request.headers.range, signal),
    downloadArchive: ({ engine, params, query, signal }) => archiveAnswer(engine, params.id, query, signal),
    listManifest: ({ engine, params, body, signal }) => manifestAnswer(engine, params.id, body, signal),
  };
}
