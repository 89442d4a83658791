import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { releaseNames, type ReleaseName } from './release-names.ts';
import pins from './releases.json' with { type: 'json' };

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const assetSchema = z.strictObject({
  name: z.string(),
  /** Digest of the pinned version's asset. Digests of other versions come from elsewhere (checksum.ts). */
  sha256: sha256Schema,
  /**
   * Programs in the asset, which is then a gzipped tar archive, by the name they are installed under. Absent: the asset
   * is the program itself.
   */
  members: z.record(z.string(), z.string()).optional(),
});

const releaseSchema = z.strictObject({
  title: z.string(),
  repository: z.string(),
  version: z.string(),
  /**
   * Where digests are published: in a file `<asset>.sha256.txt` beside the asset, or by the API of the release page.
   */
  checksum: z.enum(['file', 'release']),
  assets: z.record(z.string(), assetSchema),
});

/** One file of one release, for one machine. */
export interface ReleaseAsset {
  readonly release: ReleaseName;
  readonly title: string;
  readonly repository: string;
  readonly version: string;
  readonly tag: string;
  readonly name: string;
  readonly pinnedSha256: string | null;
  readonly checksum: 'file' | 'release';
  readonly members: Readonly<Record<string, string>> | null;
}

/** The pinned releases. A new release is a change of that file. */
export const releases = z.record(z.enum(releaseNames), releaseSchema).parse(pins);

/**
 * The asset of a release for an architecture (as Node names it).
 * @throws NovaError `feature_unsupported` where nothing is released for that architecture
 */
export function assetOf(release: ReleaseName, version: string | undefined, architecture: string): ReleaseAsset {
  const { title, repository, version: pinned, checksum, assets } = releases[release];
  const asset = assets[architecture];
  if (asset === undefined) {
    throw new NovaError('feature_unsupported', `${title} is not released for the architecture ${architecture}.`, {
      hint: `There are releases for ${Object.keys(assets).join(' and ')}. Others build it from its sources.`,
    });
  }
  const wanted = version ?? pinned;
  const filled = (text: string): string => text.replaceAll('{version}', wanted);
  const members = Object.entries(asset.members ?? {}).map(([program, member]) => [program, filled(member)]);
  return {
    release,
    title,
    repository,
    version: wanted,
    tag: `v${wanted}`,
    name: filled(asset.name),
    pinnedSha256: wanted === pinned ? asset.sha256 : null,
    checksum,
    members: asset.members === undefined ? null : (Object.fromEntries(members) as Record<string, string>),
  };
}
