import type { SandboxConfig, VolumeMount } from '@novasandbox/protocol';

/** A volume and the disk of the guest that it is on. */
export interface PlacedVolume extends VolumeMount {
  /** The name of the disk at boot, such as `vdc`. */
  readonly device: string;
  /** Its place among the drives of the machine. */
  readonly index: number;
}

/** The name that a guest gives the drive of that index at boot. */
export const deviceName = (index: number): string => `vd${String.fromCodePoint('a'.charCodeAt(0) + index)}`;

/**
 * The volumes of a config in the order of their drives, which are the last of the machine. Those that are written to
 * come first, so that the order in which a caller names them makes no other shape of the machine.
 */
export function placeVolumes({
  readOnlyRootfs,
  extraDrives,
  volumes,
}: Pick<SandboxConfig, 'readOnlyRootfs' | 'extraDrives' | 'volumes'>): PlacedVolume[] {
  const before = 1 + (readOnlyRootfs ? 0 : 1) + extraDrives.length;
  return [...volumes.filter(({ readOnly }) => !readOnly), ...volumes.filter(({ readOnly }) => readOnly)].map(
    (mount, position) => ({ ...mount, device: deviceName(before + position), index: before + position }),
  );
}

/** The mounts of the guest, in an order in which no mount hides one that is below it. */
export const mountsOf = (config: Parameters<typeof placeVolumes>[0]): PlacedVolume[] =>
  placeVolumes(config).toSorted((a, b) => depthOf(a.path) - depthOf(b.path));

const depthOf = (path: string): number => path.split('/').filter((part) => part !== '').length;
