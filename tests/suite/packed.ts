import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packAll } from '../../build/pack.ts';
import { packedVariable } from '../support/published.ts';
import type { Job } from './jobs.ts';
import type { Tally } from './tally.ts';

/**
 * Packs the published packages once for all test files that install them. They find the folder by an environment
 * variable. Disposing removes it.
 */
export async function packedOnce(tally: Tally): Promise<{ readonly job: Job } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-packed-'));
  const run = async (): Promise<void> => {
    try {
      await packAll(folder);
      process.env[packedVariable] = folder;
    } catch (error) {
      tally.fail('packages are packed', String(error));
    }
  };
  return {
    job: { name: 'packages are packed', phase: 'builds', beside: true, run },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Whether a test file installs the published packages. */
export const needsPacked = (file: string): boolean => /\/(client-package|packages)\.test\.ts$/.test(file);
