import { NovaError } from '@novasandbox/protocol';

/**
 * What E2B's clients give a sandbox beside its config is kept in its labels: their metadata as it is, and what they chose under a prefix of ours,
 * so that nothing has to be stored twice and a restarted daemon knows it.
 */
const prefix = 'novasandbox.e2b/';

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

const names: readonly (keyof Traits)[] = ['secure', 'publicTraffic', 'autoPause', 'autoResume'];

export function labelsOf(traits: Traits, metadata: Readonly<Record<string, string>>): Record<string, string> {
  for (const key of Object.keys(metadata)) {
    if (key.startsWith(prefix)) throw new NovaError('invalid_argument', `metadata: "${prefix}" is reserved.`);
  }
  const chosen = names.filter((name) => traits[name] !== defaultTraits[name]);
  return { ...metadata, ...Object.fromEntries(chosen.map((name) => [prefix + name, String(traits[name])])) };
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

export function metadataOf(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(prefix)));
}
