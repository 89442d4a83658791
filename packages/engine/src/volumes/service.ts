import type { EngineContext } from '../context.ts';
import type { VolumeService } from '../services.ts';
import { createVolume } from './create.ts';
import { findVolume } from './find.ts';
import { listVolumes, toVolumeInfo } from './info.ts';
import { removeVolume } from './remove.ts';
import { resizeVolume } from './resize.ts';

/** The life of volumes; each verb is a file beside this one. */
export function createVolumeService(context: EngineContext): VolumeService {
  return {
    create: (volume, call) => createVolume(context, volume, call),
    get: async (ref, scope) => toVolumeInfo(context, await findVolume(context, ref, scope)),
    list: (scope) => listVolumes(context, scope),
    resize: (ref, sizeMb, call) => resizeVolume(context, ref, sizeMb, call),
    remove: (ref, options) => removeVolume(context, ref, options),
  };
}
