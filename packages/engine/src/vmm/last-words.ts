import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { fileTail, vmmLog } from './logs.ts';

const keptBytes = 2000;

/** The end of a VMM's own log, which says why it failed; empty where it has written nothing. */
export const lastWords = async ({ directory }: Pick<MachineSpec, 'directory'>): Promise<string> =>
  (await fileTail(join(directory, vmmLog), keptBytes)).trim();

/**
 * Runs `work`, which sends commands to a VMM that is just starting. Where the VMM refuses or ends, the error includes
 * the end of its log. After an abort the error is `cancelled`, whatever the VMM reported.
 */
export async function withLastWords<T>(
  spec: Pick<MachineSpec, 'directory'>,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(signal, 'while the VMM was starting');
    if (!isNovaError(error, 'vmm_failed')) throw error;
    const said = await lastWords(spec);
    if (said === '') throw error;
    throw new NovaError('vmm_failed', `${error.message} Its log: ${said}`, {
      cause: error,
      hint: error.hint,
      details: error.details,
    });
  }
}
