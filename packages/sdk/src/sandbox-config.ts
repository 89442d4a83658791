import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { SandboxConfig as SandboxConfigFields, SandboxConfigInput } from '@novasandbox/protocol';

/** Configuration of a sandbox, with defaults filled in; the template decides about sizes that are left out. */
export type SandboxConfig = Readonly<SandboxConfigFields>;

class CheckedConfig {
  constructor(input: SandboxConfigInput = {}) {
    Object.assign(this, parse(sandboxConfigSchema, { ...input }, 'SandboxConfig'));
  }
}

/**
 * A config that is checked when it is created: a wrong field throws a NovaError `invalid_argument` that names it. A
 * plain object with the same fields works wherever a config is expected.
 *
 *     const config = new SandboxConfig({ templateId: 'base', memoryMb: 512, vcpus: 2 });
 */
// A class declaration cannot take its fields from the schema, so the constructor is cast.
export const SandboxConfig = CheckedConfig as new (input?: SandboxConfigInput) => SandboxConfig;
