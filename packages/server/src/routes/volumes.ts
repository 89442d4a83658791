import { volumeWireOf } from '@novasandbox/protocol/api';
import type { JsonHandlers } from './call.ts';

export function volumeHandlers(): Pick<
  JsonHandlers,
  'createVolume' | 'listVolumes' | 'getVolume' | 'resizeVolume' | 'deleteVolume'
> {
  return {
    createVolume: async ({ engine, body, signal, newId: id }) =>
      volumeWireOf(await engine.volumes.create({ name: body.name, sizeMb: body.size_mb }, { signal, id })),
    listVolumes: async ({ engine }) => ({ volumes: (await engine.volumes.list()).map(volumeWireOf) }),
    getVolume: async ({ engine, params }) => volumeWireOf(await engine.volumes.get(params.volume_id)),
    resizeVolume: async ({ engine, params, body, signal }) =>
      volumeWireOf(await engine.volumes.resize(params.volume_id, body.size_mb, { signal })),
    deleteVolume: ({ engine, params, query }) => engine.volumes.remove(params.volume_id, { force: query.force }),
  };
}
