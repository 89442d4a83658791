import type { VolumeService } from '@novasandbox/engine/services';
import { newVolumeSchema, parse } from '@novasandbox/protocol';
import { volumeOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** A guest may have to take on the new size first. */
const resizeMs = 60_000;

/** Volumes over the daemon. */
export function createRemoteVolumes(http: HttpClient): VolumeService {
  return {
    async create(volume, context) {
      const { name, sizeMb } = parse(newVolumeSchema, volume, 'volume');
      const body = { name, size_mb: sizeMb };
      return volumeOfWire(await http.call('createVolume', {}, { body, signal: context?.signal }));
    },
    get: async (ref) => volumeOfWire(await http.call('getVolume', { volume_id: ref })),
    list: async () => (await http.call('listVolumes', {})).volumes.map(volumeOfWire),
    async resize(ref, sizeMb, context) {
      const how = { body: { size_mb: sizeMb }, signal: context?.signal, timeoutMs: resizeMs };
      return volumeOfWire(await http.call('resizeVolume', { volume_id: ref }, how));
    },
    async remove(ref, { force = false } = {}) {
      await http.call('deleteVolume', { volume_id: ref }, { query: { force } });
    },
  };
}
