import { NovaError, type VolumeMount } from '@novasandbox/protocol';

/**
 * The volume that children of a sandbox get in place of one that it writes to:
 * - `refuse`: nothing, and there are no children;
 * - `copy`: each a volume of its own, which begins as a copy of the parent's at the instant of the fork;
 * - `fresh`: each an empty volume of its own of that size;
 * - `share-read-only`: all one copy of the instant of the fork, which nobody can write to.
 *
 * Only a copy is what the memory of a live child expects: its kernel has the file system mounted. A child that gets
 * something else has to unmount it first.
 */
export type ChildVolumePolicy = 'refuse' | 'copy' | 'fresh' | 'share-read-only';

/** One policy for all volumes, or one for each by the name or id under which the parent has it (default: `refuse`). */
export type ChildVolumePolicies = ChildVolumePolicy | Readonly<Record<string, ChildVolumePolicy>>;

export interface VolumeOfChild {
  readonly mount: VolumeMount;
  /** `share`: the parent's own volume, which it only reads, and any number may read. */
  readonly gets: 'share' | Exclude<ChildVolumePolicy, 'refuse'>;
}

/**
 * Says what a child gets in place of each volume of its parent, in the order of the config.
 * @throws NovaError `volume_in_use` for a volume that the parent writes to and that no policy is given for;
 * `invalid_argument` for a policy of a volume that the parent does not have
 */
export function volumesOfChildren(
  volumes: readonly VolumeMount[],
  policies: ChildVolumePolicies = 'refuse',
): VolumeOfChild[] {
  if (typeof policies !== 'string') {
    const unknown = Object.keys(policies).find((name) => volumes.every((mount) => mount.name !== name));
    if (unknown !== undefined)
      throw new NovaError('invalid_argument', `volumes: the sandbox has no volume "${unknown}".`);
  }
  return volumes.map((mount) => {
    if (mount.readOnly) return { mount, gets: 'share' };
    const policy = typeof policies === 'string' ? policies : (policies[mount.name] ?? 'refuse');
    if (policy !== 'refuse') return { mount, gets: policy };
    throw new NovaError(
      'volume_in_use',
      `The sandbox writes to the volume ${mount.name}, which children cannot write to too.`,
      {
        hint: 'Say what children get in its place: "copy", "fresh" or "share-read-only".',
        details: { volume: mount.name },
      },
    );
  });
}
