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
  port: ['hostPort', 'guestPort', 'server.port'],
  host: ['server.host'],
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
  apiKey: ['apiKey', 'security.api_key'],
  apiKeyFile: ['apiKey', 'security.api_key'],
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
    /(^|: |; )([A-Za-z0-9]+)((?:\.[^\s:]+)?)(?=: )/g,
    (whole, before: string, field: string, within: string) => {
      const name = options.get(field + within) ?? options.get(field) ?? variables[field];
      if (name === undefined || (name.startsWith('NOVA_') && process.env[name] === undefined)) return whole;
      named.push(name);
      // Which label or variable it is; of a list, only the number is known.
      const part = options.has(field + within) || /^\.\d/.test(within) ? '' : within.replace('.', ' ');
      return `${before}${name}${part}`;
    },
  );
  // Elsewhere only words that are no English are taken for fields.
  const inWords = text.replaceAll(/\b[a-z]+[A-Z]\w*\b/g, (word) => options.get(word) ?? word);
  return {
    message: inWords.replace(/^(sandbox config|config): (?=--|NOVA_)/, ''),
    typed: named.some((name) => name.startsWith('--')),
  };
}

/** The options that stand on the command line, before the verb, behind it or behind a verb of its own, by the fields that they set. */
function typedOptions(command: Command | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const each of command === undefined ? [] : [command.parent, command, ...command.commands]) {
    for (const option of each?.options ?? []) {
      const attribute = option.attributeName();
      if (each?.getOptionValueSource(attribute) !== 'cli') continue;
      for (const field of fieldsOf[attribute] ?? []) found.set(field, option.long ?? option.flags);
    }
  }
  return found;
}
