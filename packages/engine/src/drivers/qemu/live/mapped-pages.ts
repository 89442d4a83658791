import { readFile } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';
import type { Confinement, Confiner } from '../../../vmm/confine.ts';

/** Tells the library which descriptor the pages are read from (host/confine/src/guest_memory). */
const descriptorVariable = 'NOVA_MEMORY_PAGES';

/** Options that make a VMM map the pages of a snapshot over the memory that it maps. */
export type MappedPages = Required<Pick<Confinement, 'preload' | 'environment' | 'descriptors'>>;

/**
 * Returns the options that give a VMM a file of changed pages as the descriptor of that number.
 * @throws NovaError `feature_unsupported` where VMMs are not started by the confiner, which loads the library
 */
export function mappedPages(confiner: Confiner | null, path: string, descriptor: number): MappedPages {
  if (confiner === null)
    throw new NovaError('feature_unsupported', 'The snapshot of a running guest is restored by root on Linux alone.', {
      hint: 'Run nova as root, as it was when the snapshot was taken.',
    });
  return {
    preload: confiner.guestMemory,
    environment: { [descriptorVariable]: String(descriptor) },
    descriptors: [{ path, readOnly: true }],
  };
}

/**
 * Makes sure that a VMM that has loaded the device state has mapped the pages, before its guest goes on: a VMM that
 * loads no libraries would continue with the memory of the template.
 * @throws NovaError `vmm_failed`
 */
export async function requireMappedPages(pid: number, path: string): Promise<void> {
  const maps = await readFile(`/proc/${pid}/maps`, 'latin1');
  if (maps.split('\n').some((line) => line.endsWith(` ${path}`))) return;
  throw new NovaError('vmm_failed', 'QEMU has not mapped the pages of the snapshot: it does not load libraries.', {
    hint: 'Use a QEMU that is linked dynamically, as the one of your distribution is.',
  });
}
