import { basename } from 'node:path';
import { ociImagesInUse } from '../images/in-use.ts';
import { describeEach, type About, type Found, type Look } from './found.ts';

/** A transfer that nobody has taken up for so long is given up, ms. */
const partKeptMs = 86_400_000;

/** Layers, configs and records of OCI images, and the templates that were made of them. */
export async function findOciImages(look: Look): Promise<Found[]> {
  const { layout } = look.context;
  const { oci } = layout;
  const inUse = await ociImagesInUse(layout);
  const unneeded = (isNeeded: boolean): About =>
    isNeeded ? {} : { lock: oci.lock, reason: 'no template is made of it', when: 'asked' };
  const blobs = await describeEach(look, 'oci-image', oci.blobs, (name) =>
    unneeded(inUse.blobs.has(name) || inUse.unreadable),
  );
  const records = await describeEach(look, 'oci-image', oci.images, (name) => ({
    counts: false,
    ...unneeded(inUse.records.has(basename(name, '.json')) || inUse.unreadable),
  }));
  const partials = await describeEach(look, 'oci-image', oci.partials, (_, sinceMs) => ({
    counts: false,
    lock: oci.lock,
    ...(Date.now() - sinceMs > partKeptMs ? { reason: 'nobody goes on fetching it', when: 'asked' } : {}),
  }));
  const templates = await describeEach(look, 'oci-image', oci.templates, () => ({ counts: false }));
  return [...blobs, ...records, ...partials, ...templates];
}
