import { reservedLabelPrefix } from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';

/**
 * Metadata and choices of E2B's clients are kept in the sandbox's labels: the metadata as it is, the choices under a
 * prefix that no caller's own labels may have. So nothing is stored twice, and a restarted daemon knows them.
 */
const prefix = `${reservedLabelPrefix}e2b/`;

export interface Traits {
  /** The agent API asks for the sandbox's access token. */
  readonly secure: boolean;
  /** Ports can be reached without the traffic token. Only who made the sandbox through the E2B API can have chosen that. */
  readonly publicTraffic: boolean;
  /** At its end it is paused, not killed. */
  readonly autoPause: boolean;
  /** A request for its ports resumes it when it is paused. */
  readonly autoResume: boolean;
}

export const defaultTraits: Traits = { secure: true, publicTraffic: false, autoPause: false, autoResume: false };

/**
 * Permissions that a caller needs to open a sandbox by a trait, or to hold its token: an open door is as good as these.
 */
export const toOpen: Readonly<Record<'secure' | 'publicTraffic' | 'autoResume', readonly Permission[]>> = {
  secure: ['guest:execute', 'guest:file_transfer'],
  publicTraffic: ['guest:connect'],
  autoResume: ['vm:start'],
};

const names: readonly (keyof Traits)[] = ['secure', 'publicTraffic', 'autoPause', 'autoResume'];

export function labelsOf(traits: Traits): Record<string, string> {
  const chosen = names.filter((name) => traits[name] !== defaultTraits[name]);
  return Object.fromEntries(chosen.map((name) => [prefix + name, String(traits[name])]));
}

export function traitsOf(labels: Readonly<Record<string, string>>): Traits {
  const value = (name: keyof Traits): boolean => {
    const label = labels[prefix + name];
    return label === undefined ? defaultTraits[name] : label === 'true';
  };
  return {
    secure: value('secure'),
    publicTraffic: value('publicTraffic'),
    autoPause: value('autoPause'),
    autoResume: value('autoResume'),
  };
}
