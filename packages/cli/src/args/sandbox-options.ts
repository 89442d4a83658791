import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { SandboxConfigInput } from '@novasandbox/protocol';
import { parseDrive } from './drive.ts';
import { parseDuration } from './duration.ts';
import { parseEnvFile } from './env-file.ts';
import { parseLabel, parseVariable } from './key-value.ts';
import { parseMemorySize } from './memory-size.ts';
import { parsePortMapping } from './port-mapping.ts';
import { parseWholeNumber } from './whole-number.ts';
import { UsageError } from '../usage-error.ts';

/** What `addSandboxOptions` parses. */
export interface SandboxOptions {
  readonly template?: string;
  readonly name?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly memory?: number;
  readonly vcpus?: number;
  readonly disk?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly envFile?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly ttl?: number;
  readonly network: boolean;
  readonly port?: { readonly hostPort: number; readonly guestPort: number };
  readonly readOnly?: boolean;
  readonly rootfs?: string;
  readonly drive?: SandboxConfigInput['extraDrives'];
  readonly kernelArgs?: string;
  readonly maxProcesses?: number;
  readonly bootTimeout?: number;
  readonly arch?: NonNullable<SandboxConfigInput['architecture']>;
  readonly hypervisor?: NonNullable<SandboxConfigInput['hypervisor']>;
}

/** The options that say what a sandbox is made of. Values are checked by the schema, which knows the limits. */
export function addSandboxOptions(command: Command): Command {
  return command
    .option('--template <id>', 'template to clone (default: base)')
    .option('--name <name>', 'name of the sandbox')
    .option('--label <key=value>', 'label, may be repeated', parseLabel)
    .option('--memory <size>', 'memory: MiB, 512m or 2g (default: the template says)', parseMemorySize)
    .option('--vcpus <count>', 'virtual CPUs (default: the template says)', parseWholeNumber)
    .option('--disk <size>', 'writable disk: MiB, 512m or 2g (default: the template says)', parseMemorySize)
    .option(
      '-e, --env <NAME=value>',
      'environment variable, may be repeated; NAME alone passes yours on',
      parseVariable,
    )
    .option('--env-file <file>', 'file of NAME=value lines, may be repeated', parseEnvFile)
    .option('-u, --user <user>', 'user that commands run as (default: the template says)')
    .option('--ttl <time>', 'time to live of the sandbox, such as 30m', parseDuration)
    .option('--no-network', 'no network at all')
    .option('-p, --port <host:guest>', 'port of 127.0.0.1 that leads to one of the guest', parsePortMapping)
    .option('--read-only', 'read-only root file system (/tmp and /run stay writable)')
    .option('--rootfs <image>', 'ext4, erofs or squashfs image as root file system')
    .option('--drive <image:path>', 'another disk image, mounted at path, may be repeated', parseDrive)
    .option('--kernel-args <words>', 'words for the kernel command line')
    .option('--max-processes <count>', 'most processes and threads in the guest', parseWholeNumber)
    .option('--boot-timeout <time>', 'how long the start may take', parseDuration)
    .addOption(architectureOption())
    .addOption(hypervisorOption('hypervisor to use (default: the best that works here)'));
}

/** The processor of guests. */
export function architectureOption(): Option {
  return new Option('--arch <name>', "processor of the guest (default: the host's own)").choices(['amd64', 'arm64']);
}

export const hypervisorOption = (description: string): Option =>
  new Option('--hypervisor <name>', description).choices([
    'auto',
    'qemu',
    'firecracker',
    'cloud-hypervisor',
    'apple-vz',
    'process',
  ]);

/** The config that the options describe; what was not given is left to the defaults. */
export function toSandboxConfig(options: SandboxOptions): SandboxConfigInput {
  const { template, name, label, memory, vcpus, disk, env, envFile, user, ttl, port, readOnly, drive } = options;
  const { rootfs, kernelArgs, maxProcesses, bootTimeout, hypervisor, arch } = options;
  if (port !== undefined && !options.network) {
    throw new UsageError(
      '--port does not go with --no-network: leave one of them out. "nova exec" works without network.',
    );
  }
  const config = {
    templateId: template,
    name,
    labels: label,
    memoryMb: memory,
    vcpus,
    diskSizeMb: disk,
    env: env === undefined && envFile === undefined ? undefined : { ...envFile, ...env },
    user,
    timeoutMs: ttl,
    enableNetwork: options.network ? undefined : false,
    hostPort: port?.hostPort,
    guestPort: port?.guestPort,
    readOnlyRootfs: readOnly,
    rootfsPath: rootfs === undefined ? undefined : resolve(rootfs),
    extraDrives: drive,
    kernelArgs,
    maxProcesses,
    bootTimeoutMs: bootTimeout,
    hypervisor,
    architecture: arch,
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}
