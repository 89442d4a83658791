import { reservedLabelPrefix } from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';

/**
 * What E2B's clients give a sandbox beside its config is kept in its labels: their metadata as it is, and what they chose under a prefix that no
 * caller's own labels may have, so that nothing has to be stored twice and a restarted daemon knows it.
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

/** What a caller needs to open a sandbox by a trait, or to hold the token that opens one: what it opens is as good as these permissions. */
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
