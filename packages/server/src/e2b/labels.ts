import { reservedLabelPrefix } from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';
import type { Caller } from '../context.ts';

/**
 * Metadata and choices of E2B's clients are stored as labels of the sandbox: metadata unchanged, choices under a prefix
 * that callers cannot use. So nothing is stored twice, and a restarted daemon knows them.
 */
const prefix = `${reservedLabelPrefix}e2b/`;
/** The name and tag that a client gave a snapshot. Unlike the snapshot's own name, several may have the same. */
export const snapshotNameLabel = `${prefix}name`;

export interface Traits {
  /** The agent API requires the sandbox's access token. */
  readonly secure: boolean;
  /**
   * Ports can be reached without the traffic token. Only sandboxes created through the E2B API can be opened like this.
   */
  readonly publicTraffic: boolean;
  /** Requests resume the paused sandbox, for five minutes at least. */
  readonly autoResume: boolean;
  /** The Host that servers in the guest get, in which `${PORT}` stands for their port; null: that of the request. */
  readonly maskRequestHost: string | null;
  /** Ports whose servers speak TLS themselves. */
  readonly httpsPorts: readonly number[];
}

export const defaultTraits: Traits = {
  secure: true,
  publicTraffic: false,
  autoResume: false,
  maskRequestHost: null,
  httpsPorts: [],
};

/**
 * Permissions that a caller needs to open a sandbox by a trait, or to hold its token: an open sandbox gives everybody
 * the access of these permissions.
 */
export const toOpen: Readonly<Record<'secure' | 'publicTraffic' | 'autoResume', readonly Permission[]>> = {
  secure: ['guest:execute', 'guest:file_transfer'],
  publicTraffic: ['guest:connect'],
  autoResume: ['vm:start'],
};

/** The traits as far as the caller may open a sandbox by them. */
export const openedBy = ({ permissions }: Pick<Caller, 'permissions'>, traits: Traits): Traits => {
  const may = (trait: keyof typeof toOpen): boolean => toOpen[trait].every((permission) => permissions.has(permission));
  return {
    ...traits,
    secure: traits.secure || !may('secure'),
    publicTraffic: traits.publicTraffic && may('publicTraffic'),
    autoResume: traits.autoResume && may('autoResume'),
  };
};

const names = Object.keys(defaultTraits) as (keyof Traits)[];

/** Traits that are as they are by default have no label. */
export function labelsOf(traits: Traits): Record<string, string> {
  const chosen = names.filter((name) => String(traits[name]) !== String(defaultTraits[name]));
  return Object.fromEntries(chosen.map((name) => [prefix + name, String(traits[name])]));
}

export function traitsOf(labels: Readonly<Record<string, string>>): Traits {
  const label = (name: keyof Traits): string | undefined => labels[prefix + name];
  const isTrue = (name: 'secure' | 'publicTraffic' | 'autoResume'): boolean =>
    (label(name) ?? String(defaultTraits[name])) === 'true';
  return {
    secure: isTrue('secure'),
    publicTraffic: isTrue('publicTraffic'),
    autoResume: isTrue('autoResume'),
    maskRequestHost: label('maskRequestHost') ?? null,
    httpsPorts: label('httpsPorts')?.split(',').map(Number) ?? [],
  };
}
