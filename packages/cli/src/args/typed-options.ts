import type { Command } from 'commander';

/** The fields of a config or call that an option sets, as errors name them. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  template: ['templateId'],
  name: ['name'],
  label: ['labels'],
  memory: ['memoryMb'],
  vcpus: ['vcpus'],
  disk: ['diskSizeMb'],
  env: ['env'],
  envFile: ['env'],
  user: ['user'],
  ttl: ['timeoutMs'],
  port: ['hostPort', 'guestPort'],
  readOnly: ['readOnlyRootfs'],
  rootfs: ['rootfsPath'],
  drive: ['extraDrives'],
  kernelArgs: ['kernelArgs'],
  maxProcesses: ['maxProcesses'],
  bootTimeout: ['bootTimeoutMs'],
  hypervisor: ['hypervisor'],
  arch: ['architecture'],
  workdir: ['cwd'],
  timeout: ['timeoutMs'],
  version: ['version'],
  sha256: ['sha256'],
  apiUrl: ['apiUrl'],
  apiKey: ['apiKey'],
  apiKeyFile: ['apiKey'],
};

/** Variables that set what an option sets, where the option is not given. */
const variables: Readonly<Record<string, string>> = { apiUrl: 'NOVA_API_URL', apiKey: 'NOVA_API_KEY' };

/** A message in the words of the command line, and whether it is about an option that was typed. */
export interface InTypedWords {
  readonly message: string;
  readonly typed: boolean;
}

/** Says of each field that a message names the option, or else the variable, that the value came from. */
export function inTypedWords(message: string, command: Command | undefined): InTypedWords {
  const options = typedOptions(command);
  const named: string[] = [];
  const text = message.replaceAll(
    /(^|: |; )([A-Za-z0-9]+)(\.[^\s:]+)?(?=: )/g,
    (whole, before: string, field: string) => {
      const name = options.get(field) ?? variables[field];
      if (name === undefined || (name.startsWith('NOVA_') && process.env[name] === undefined)) return whole;
      named.push(name);
      return `${before}${name}`;
    },
  );
  return {
    message: named.length > 0 ? text.replace(/^(sandbox config|config): (?=--|NOVA_)/, '') : message,
    typed: named.some((name) => name.startsWith('--')),
  };
}

/** The options that stand on the command line, by the fields that they set. */
function typedOptions(command: Command | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (let each: Command | null | undefined = command; each; each = each.parent) {
    for (const option of each.options) {
      const attribute = option.attributeName();
      if (each.getOptionValueSource(attribute) !== 'cli') continue;
      for (const field of fieldsOf[attribute] ?? []) found.set(field, option.long ?? option.flags);
    }
  }
  return found;
}
