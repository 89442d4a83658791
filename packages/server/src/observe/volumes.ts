import type { VolumeService } from '@novasandbox/engine';
import { timed, type Observation } from './observation.ts';

export function observedVolumes(observation: Observation): VolumeService {
  const { engine, letGoOfVolumes } = observation;
  const { volumes } = engine;
  return {
    ...volumes,
    create: (volume, context) => timed(observation, 'volume', 'create', () => volumes.create(volume, context)),
    resize: (ref, sizeMb, context) =>
      timed(observation, 'volume', 'resize', () => volumes.resize(ref, sizeMb, context)),
    async remove(ref, options) {
      await letGoOfVolumes([ref]);
      await timed(observation, 'volume', 'delete', () => volumes.remove(ref, options));
    },
  };
}
