import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { downloadText, type Network } from './download.ts';
import type { ReleaseAsset } from './releases.ts';

/** Where the digest of an asset comes from. */
export interface ExpectedDigest {
  readonly sha256: string;
  /** The caller; this repository; the project's own release page, which is read over HTTPS and never from a mirror. */
  readonly from: 'option' | 'pin' | 'release page';
}

const maxFileBytes = 4096;
const maxReleaseBytes = 4 << 20;

/** The fields we need of GitHub's API answer about a release. */
const githubRelease = z.object({
  assets: z.array(z.object({ name: z.string(), digest: z.string().nullish() })),
});

/**
 * The digest that an asset must have.
 * @throws NovaError `download_failed` where it has to be fetched and cannot be
 */
export async function expectedDigest(
  asset: ReleaseAsset,
  given: string | undefined,
  network: Network,
): Promise<ExpectedDigest> {
  if (given !== undefined) return { sha256: given, from: 'option' };
  if (asset.pinnedSha256 !== null) return { sha256: asset.pinnedSha256, from: 'pin' };
  try {
    const sha256 = await (asset.checksum === 'file' ? fromFile(asset, network) : fromRelease(asset, network));
    return { sha256, from: 'release page' };
  } catch (error) {
    if (!(error instanceof NovaError) || error.code !== 'download_failed') throw error;
    throw new NovaError('download_failed', error.message, {
      cause: error,
      hint: `The digest of this release is not known here, and a mirror cannot vouch for itself: give it with --sha256, as https://github.com/${asset.repository}/releases/tag/${asset.tag} has it.`,
    });
  }
}

/** A line as sha256sum prints it: digest, white space, name. */
async function fromFile(asset: ReleaseAsset, network: Network): Promise<string> {
  const url = `https://github.com/${asset.repository}/releases/download/${asset.tag}/${asset.name}.sha256.txt`;
  const text = await downloadText(url, network, maxFileBytes);
  for (const line of text.split('\n')) {
    const [, sha256, name] = /^([0-9a-f]{64})\s+\*?(?:\.\/)?(\S+)$/.exec(line.trim()) ?? [];
    if (sha256 !== undefined && name === asset.name) return sha256;
  }
  throw new NovaError('download_failed', `${url} has no SHA-256 of ${asset.name}.`);
}

async function fromRelease(asset: ReleaseAsset, network: Network): Promise<string> {
  const url = `https://api.github.com/repos/${asset.repository}/releases/tags/${asset.tag}`;
  const text = await downloadText(url, network, maxReleaseBytes);
  let digest: string | null | undefined;
  try {
    digest = githubRelease.parse(JSON.parse(text)).assets.find(({ name }) => name === asset.name)?.digest;
  } catch (error) {
    throw new NovaError('download_failed', `${url} does not describe a release.`, { cause: error });
  }
  const sha256 = /^sha256:([0-9a-f]{64})$/.exec(digest ?? '')?.[1];
  if (sha256 === undefined) throw new NovaError('download_failed', `${url} has no SHA-256 of ${asset.name}.`);
  return sha256;
}
