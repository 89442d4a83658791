import { InvalidArgumentError } from 'commander';

/** A volume given with `-v`: a path of the host, its path in the guest, and whether changes stay in the guest. */
export interface HostVolume {
  readonly hostPath: string;
  readonly guestPath: string;
  readonly readOnly: boolean;
}

/** A volume with a name, given with `-v`. */
export interface NamedVolume {
  readonly name: string;
  readonly guestPath: string;
  readonly readOnly: boolean;
}

export type Volume = HostVolume | NamedVolume;

/**
 * Adds `host:guest` or `host:guest:ro`, in docker's syntax: what holds a slash or begins with a dot is a path of the
 * host, and anything else the name of a volume.
 */
export function parseVolume(text: string, before: readonly Volume[] = []): readonly Volume[] {
  const [source = '', guestPath = '', access = 'rw', ...rest] = text.split(':');
  const known = (access === 'ro' || access === 'rw') && rest.length === 0;
  if (source === '' || !guestPath.startsWith('/') || !known) {
    throw new InvalidArgumentError('Give it as host:/guest/path or name:/guest/path; :ro if no changes are meant.');
  }
  const volume = { guestPath, readOnly: access === 'ro' };
  const isPath = source.includes('/') || source.startsWith('.');
  return [...before, isPath ? { hostPath: source, ...volume } : { name: source, ...volume }];
}
