import { lstat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { StorageKind } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { findImages } from './find-images.ts';
import { findHalfMade, findOthers, findProbes } from './find-leftovers.ts';
import { findGoldenSnapshots, findRecorded } from './find-memory.ts';
import { findOciImages } from './find-oci-images.ts';
import type { Found, Look } from './found.ts';
import { references, type References } from './references.ts';

type Find = (look: Look, needs: References) => Promise<Found[]>;

/** The function that finds the things of each kind. */
const finders: Readonly<Record<StorageKind, Find>> = {
  'root-image': findImages,
  'oci-image': findOciImages,
  kernel: findImages,
  initramfs: findImages,
  program: findImages,
  'golden-snapshot': findGoldenSnapshots,
  snapshot: findRecorded,
  sandbox: findRecorded,
  volume: findRecorded,
  'half-made': findHalfMade,
  probe: findProbes,
  database: findOthers,
  quarantine: findOthers,
  replaced: findOthers,
  other: findOthers,
};

/** Everything in the state folder. */
export async function findAll(look: Look): Promise<Found[]> {
  const needs = await references(look.context);
  const found: Found[] = [];
  for (const find of new Set(Object.values(finders))) found.push(...(await find(look, needs)));
  return Promise.all(found.map((each) => withoutShared(look.context, each)));
}

/**
 * A folder that is a link to another state folder's is shared with it. What the other one needs is not known here, so
 * nothing in it is removed.
 */
async function withoutShared({ layout }: EngineContext, found: Found): Promise<Found> {
  if (found.reason === null) return found;
  const [folder = ''] = relative(layout.home, found.path).split(sep, 1);
  const isShared = (await lstat(join(layout.home, folder)).catch(() => null))?.isSymbolicLink() === true;
  return isShared ? { ...found, reason: null } : found;
}

/** The things of that kind, as they are now, unmeasured. */
export async function findAgain({ context }: Pick<Look, 'context'>, kind: StorageKind): Promise<Found[]> {
  const unmeasured = { bytesOf: () => Promise.resolve(0), complete: true };
  return finders[kind]({ context, measuring: unmeasured }, await references(context));
}
