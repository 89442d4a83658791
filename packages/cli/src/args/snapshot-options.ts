import type { Command } from 'commander';
import type { ContinuedConfigInput } from '@novasandbox/protocol';
import { UsageError } from '../usage-error.ts';
import { fieldOptions, toSandboxConfig, type SandboxOptions } from './sandbox-options.ts';

/** The options parsed by `addSnapshotOptions`. */
export interface SnapshotOptions {
  readonly snapshot?: string;
  readonly diskOnly?: boolean;
}

/** Adds the options that make a sandbox go on from a snapshot. */
export function addSnapshotOptions(command: Command): Command {
  return command
    .option('--snapshot <snapshot>', 'go on from this snapshot, with its processes and files (nova snapshot ls)')
    .option('--disk-only', 'with --snapshot: boot from its disk, and leave its memory');
}

/** The fields that a sandbox from a snapshot has of its own, besides the port of the guest, which is checked later. */
const own: ReadonlySet<string> = new Set(['name', 'labels', 'env', 'timeoutMs', 'hostPort', 'policy']);

/**
 * Builds what a sandbox from a snapshot has of its own.
 * @throws UsageError for an option about which the snapshot decides
 */
export function toContinuedConfig(options: SandboxOptions & SnapshotOptions): ContinuedConfigInput {
  const { guestPort: _, ...config } = toSandboxConfig(options);
  for (const field of Object.keys(config)) {
    if (own.has(field)) continue;
    const option = fieldOptions().find((each) => each.field === field)?.option.long ?? field;
    throw new UsageError(`${option} does not go with --snapshot: the sandbox is as the one that was snapshotted.`);
  }
  return { ...config, ...(options.diskOnly === true ? { memory: false } : {}) };
}
