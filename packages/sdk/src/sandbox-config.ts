import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { SandboxConfig as SandboxConfigFields, SandboxConfigInput } from '@novasandbox/protocol';

/** What a sandbox is made of, with the defaults filled in; sizes left out are the template's. */
export type SandboxConfig = Readonly<SandboxConfigFields>;

class CheckedConfig {
  constructor(input: SandboxConfigInput = {}) {
    Object.assign(this, parse(sandboxConfigSchema, { ...input }, 'SandboxConfig'));
  }
}

/**
 * A config that is checked when it is made: a wrong field throws a NovaError `invalid_argument` that names it. Wherever a config is asked
 * for, a plain object with the same fields serves as well.
 *
 *     const config = new SandboxConfig({ templateId: 'base', memoryMb: 512, vcpus: 2 });
 */
// The fields come from the schema, which a class declaration cannot say.
export const SandboxConfig = CheckedConfig as new (input?: SandboxConfigInput) => SandboxConfig;
