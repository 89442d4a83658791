import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { SandboxConfigInput } from '@novasandbox/protocol';
import { fields, type Field } from '@novasandbox/protocol/fields';
import { ownHypervisors } from '@novasandbox/protocol/own-hypervisors';
import { parseDrive } from './drive.ts';
import { parseDuration } from './duration.ts';
import { parseEnvFile } from './env-file.ts';
import { imageName } from './image-name.ts';
import { parseLabel, parseVariable } from './key-value.ts';
import { parseMemorySize } from './memory-size.ts';
import { addRuleOptions, type PolicyOptions } from './policy.ts';
import { parsePortMapping } from './port-mapping.ts';
import { parseRateLimit } from './rate-limit.ts';
import { parseName } from './name.ts';
import { addSecretOption, type SecretOptions } from './secret.ts';
import { parseVolume, type Volume } from './volume.ts';
import { parseWholeNumber } from './whole-number.ts';
import { UsageError } from '../usage-error.ts';

/** The options parsed by `addSandboxOptions`: those of config fields, and those without a field of their own. */
export interface SandboxOptions extends PolicyOptions, SecretOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly envFile?: Readonly<Record<string, string>>;
  /** The names of `--network`; false: `--no-network`. */
  readonly network?: readonly string[] | false;
  readonly port?: { readonly hostPort: number; readonly guestPort: number };
  readonly ttl?: number;
  /** Sorted by volumes/sort.ts, because a folder cannot be part of a config. */
  readonly volume?: readonly Volume[];
}

/** Readers of option values, by the word in angle brackets. Values with other words are plain text. */
const readers: Readonly<Record<string, (text: string, before: never) => unknown>> = {
  count: parseWholeNumber,
  'device=rate': parseRateLimit,
  'host:guest': parsePortMapping,
  image: (path) => resolve(path),
  'image-name': imageName,
  'image:path': parseDrive,
  'key=value': parseLabel,
  'NAME=value': parseVariable,
  network: parseName,
  size: parseMemorySize,
  time: parseDuration,
};

/** Accepted forms of sizes and times. */
const examples = { MiB: ': MiB, 512m or 2g', ms: ', such as 30s or 2h' } as const;

/** A config field that can be set on the command line. */
export interface FieldOption {
  readonly field: string;
  readonly option: Option;
}

/** Creates the options in the order of the table of fields. */
export function fieldOptions(): FieldOption[] {
  return Object.entries<Field>(fields).flatMap(([name, row]) => {
    if (!('flags' in row.option)) return [];
    if (name === 'architecture') return [{ field: name, option: architectureOption() }];
    const { flags, note } = row.option;
    const option = new Option(flags, describe(row, note));
    const read = readers[/<(.+)>/.exec(flags)?.[1] ?? ''];
    if (name === 'hypervisor') option.argChoices = [...hypervisors];
    else if (read !== undefined) option.argParser<unknown>(read as (text: string, before: unknown) => unknown);
    return [{ field: name, option }];
  });
}

function describe(row: Field, note: string | undefined): string {
  const about = 'flags' in row.option ? (row.option.about ?? row.about) : row.about;
  const example = row.unit === undefined ? '' : examples[row.unit];
  const preset = row.absent === undefined || row.absent === 'none' ? '' : ` (default: ${row.absent})`;
  return `${about}${example}${note === undefined ? '' : `; ${note}`}${preset}`;
}

/** Adds the options that configure a sandbox. The schema, which knows the limits, checks the values. */
export function addSandboxOptions(command: Command): Command {
  for (const { option } of fieldOptions()) command.addOption(option);
  return addSecretOption(addRuleOptions(command))
    .option('--env-file <file>', 'file of NAME=value lines, may be repeated', parseEnvFile)
    .option(
      '-v, --volume <host:guest>',
      'folder or file to copy in (:ro if no changes are meant), or disk image or named volume to attach; may be repeated',
      parseVolume,
    );
}

/**
 * Names to complete and to list. An engine may have other drivers than ours, so any name is passed on; the engine
 * refuses an unknown name and lists the names it has.
 */
const hypervisors = ['auto', ...ownHypervisors];

/** The option for the guest's processor. */
export function architectureOption(): Option {
  return new Option('--arch <name>', "processor of the guest (default: the host's own)").choices(['amd64', 'arm64']);
}

export function hypervisorOption(description: string): Option {
  const option = new Option('--hypervisor <name>', description);
  option.argChoices = [...hypervisors];
  return option;
}

/** Builds the config from the options; options that were not given are left to the defaults. */
export function toSandboxConfig(options: SandboxOptions): SandboxConfigInput {
  const { env, envFile, port, network } = options;
  if (port !== undefined && network === false) {
    throw new UsageError(
      '--port does not go with --no-network: leave one of them out. "nova exec" works without network.',
    );
  }
  const given = options as unknown as Readonly<Record<string, unknown>>;
  const config = Object.fromEntries(fieldOptions().map(({ field, option }) => [field, given[option.attributeName()]]));
  const more = {
    enableNetwork: network === false ? false : undefined,
    networks: network === false ? undefined : network,
    hostPort: port?.hostPort,
    guestPort: port?.guestPort,
    env: env === undefined && envFile === undefined ? undefined : { ...envFile, ...env },
  };
  return Object.fromEntries(Object.entries({ ...config, ...more }).filter(([, value]) => value !== undefined));
}
