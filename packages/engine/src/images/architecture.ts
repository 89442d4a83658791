import { NovaError } from '@novasandbox/protocol';

/** What guests of this host's processor need to be called by the tools that make them. */
export interface Architecture {
  /** Debian's name. */
  readonly debian: string;
  /** `e_machine` of its ELF files. */
  readonly elfMachine: number;
}

const architectures: Readonly<Record<string, Architecture>> = {
  x64: { debian: 'amd64', elfMachine: 62 },
  arm64: { debian: 'arm64', elfMachine: 183 },
};

/** The architecture of this host; guests are always of the host's own. */
export function hostArchitecture(): Architecture {
  const found = architectures[process.arch];
  if (found === undefined) {
    throw new NovaError('set_up_failed', `There are no guests for the processor of this host (${process.arch}).`);
  }
  return found;
}
