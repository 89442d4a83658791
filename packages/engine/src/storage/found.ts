import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { StorageKind, StoredThing } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Measuring } from './measure.ts';

/**
 * When a thing that nobody needs is removed: `always`; `asked`: when somebody asks for it, or after a while; `all`:
 * only with `all`, because somebody might still want it.
 */
type When = 'always' | 'asked' | 'all';

/** A thing that was found in the state folder. */
export interface Found extends StoredThing {
  readonly path: string;
  /** Whether it counts as one of its kind, unlike a lock or a note. */
  readonly counts: boolean;
  readonly when: When;
  /** When it came to be where it is, ms since 1970. */
  readonly sinceMs: number;
  /** The lock under which it is removed; while it is held, nobody makes such a thing. */
  readonly lock?: string | undefined;
  /** The sandbox in whose turn it is removed (sandbox/turn.ts). */
  readonly turnOf?: string | undefined;
}

/** The facts about a thing besides its kind and its path. */
export type About = Partial<Pick<Found, 'reason' | 'counts' | 'when' | 'lock' | 'turnOf'>>;

export interface Look {
  readonly context: EngineContext;
  readonly measuring: Measuring;
}

/** Describes an entry of the state folder; null where it is gone meanwhile. */
export async function describe(
  { context: { layout }, measuring }: Look,
  kind: StorageKind,
  path: string,
  about: About | ((sinceMs: number) => About) = {},
): Promise<Found | null> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return null;
  const sinceMs = found.ctimeMs;
  return {
    kind,
    name: relative(layout.home, path),
    path,
    bytes: await measuring.bytesOf(path),
    reason: null,
    counts: true,
    when: 'always',
    sinceMs,
    ...(typeof about === 'function' ? about(sinceMs) : about),
  };
}

/** Describes each entry of a folder. */
export async function describeEach(
  look: Look,
  kind: StorageKind,
  folder: string,
  about: (name: string, sinceMs: number) => About,
): Promise<Found[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map((name) => describe(look, kind, join(folder, name), (sinceMs) => about(name, sinceMs))),
  );
  return found.filter((each) => each !== null);
}
