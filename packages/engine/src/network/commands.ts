import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { SlotRegistry } from '../ports/slot-registry.ts';
import { LaunchFailure, quoted, type Launcher } from '../vmm/launcher.ts';
import { namespaceDirectory, namespaceOf } from './addressing.ts';

/** Shell commands that change the network of the host and of slots. */

/** The tools and the registry that slots are made with. */
export interface SlotHost {
  readonly registry: SlotRegistry;
  readonly launcher: Launcher;
  /** The folder with the locks of hubs (hubs.ts). */
  readonly hubLocks: string;
}

/**
 * Prefix for a program of a script: the program ends with the script. When a process has been killed, nothing may still
 * be made while others clear up after it.
 */
const bound = 'setpriv --pdeathsig KILL';

/** The shell command that gives `input` to a program; `rest` follows in the same command. */
export const told = (command: string, input: string, rest = ''): string =>
  `${bound} ${command} <<'input' ${rest}\n${input}input\n`;

export async function run(
  { launcher }: Pick<SlotHost, 'launcher'>,
  steps: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal, 'before its network was made');
  try {
    await launcher.run(steps.join(''));
  } catch (error) {
    throwIfAborted(signal, 'while its network was made');
    if (!(error instanceof LaunchFailure)) throw error;
    throw new NovaError('network_failed', `The network of a sandbox could not be set up: ${error.message}`, {
      cause: error,
    });
  }
  throwIfAborted(signal, 'while its network was made');
}

/** The shell command that runs a script in a namespace. */
export const inNamespace = (name: string, script: string): string =>
  `${bound} nsenter ${quoted([`--net=${join(namespaceDirectory, name)}`, '/bin/sh', '-ec', script])}\n`;

/** The same for the namespace of a slot. */
export const inside = (number: number, script: string): string => inNamespace(namespaceOf(number), script);

/** The shell command that has the kernel forget connections. conntrack ends with 1 when there were none. */
export const forgetConnections = (direction: string, address: string): string =>
  `said=$(conntrack -D ${direction} ${address} 2>&1 >/dev/null) || [ $? = 1 ] || { echo "$said"; exit 2; }\n`;
