import { statfs } from 'node:fs/promises';
import { storageKinds, type StorageUsage, type StoredThing } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallContext } from '../services.ts';
import { findAll } from './find.ts';
import { missingFiles } from './find-memory.ts';
import type { Found } from './found.ts';
import { startMeasuring } from './measure.ts';

/** How many of the largest things are named. */
const named = 10;

/** The space that NovaSandbox takes, by kinds. */
export async function storageUsage(context: EngineContext, { signal }: CallContext = {}): Promise<StorageUsage> {
  const { layout } = context;
  const measuring = startMeasuring(signal);
  const found = await findAll({ context, measuring });
  const { blocks, bavail, bsize } = await statfs(layout.home);
  const isReclaimable = ({ reason, when }: Found): boolean => reason !== null && when !== 'all';
  const bytesOf = (things: readonly Found[]): number => things.reduce((total, { bytes }) => total + bytes, 0);
  return {
    folder: layout.home,
    total: blocks * bsize,
    free: bavail * bsize,
    used: bytesOf(found),
    reclaimable: bytesOf(found.filter(isReclaimable)),
    kinds: storageKinds.map((kind) => {
      const own = found.filter((each) => each.kind === kind);
      return {
        kind,
        count: own.filter(({ counts }) => counts).length,
        bytes: bytesOf(own),
        reclaimable: bytesOf(own.filter(isReclaimable)),
      };
    }),
    largest: found
      .toSorted((a, b) => b.bytes - a.bytes)
      .slice(0, named)
      .map(plain),
    problems: [...missingFiles(context), ...unknownOnes(found)],
    complete: measuring.complete,
  };
}

/** A thing as callers see it. */
export const plain = ({ kind, name, bytes, reason }: StoredThing): StoredThing => ({ kind, name, bytes, reason });

/** Files of users whose records are lost. */
const unknownOnes = (found: readonly Found[]): string[] =>
  found
    .filter(({ kind, reason }) => (kind === 'snapshot' || kind === 'volume') && reason !== null)
    .map(({ name }) => `The store does not know ${name}.`);
