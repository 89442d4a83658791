import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StorageKind } from '@novasandbox/protocol';
import { z } from 'zod';
import { readJson } from '../artifacts/stamp.ts';
import { imagesInUse } from '../images/in-use.ts';
import { rootImageFiles } from '../images/manifest.ts';
import { targetPrefix } from '../images/rust-program.ts';
import { describeEach, type About, type Found, type Look } from './found.ts';
import type { References } from './references.ts';

const digest = /^[0-9a-f]{64}$/;
/** Something that has just been made is about to be used, ms. */
const justMadeMs = 10 * 60_000;

const manifestSchema = z.object({ template: z.string() });

/** Root images, kernels, initramfs, and the programs that NovaSandbox builds. */
export async function findImages(look: Look, needs: References): Promise<Found[]> {
  const { layout } = look.context;
  const inUse = await imagesInUse(layout);
  const rootImage = (name: string): About => {
    const template = readJson(join(layout.rootfs(name), rootImageFiles.manifest), manifestSchema)?.template;
    const isNeeded =
      inUse.rootfs.has(name) ||
      needs.roots.has(name) ||
      needs.unreadable ||
      (template !== undefined && inUse.unreadable.has(template));
    return isNeeded ? {} : { reason: 'no template, sandbox or snapshot needs it', when: 'asked' };
  };
  const roots = await describeEach(look, 'root-image', dirname(layout.rootfs('lock')), (name) => ({
    lock: layout.rootfs('lock'),
    ...(digest.test(name) ? rootImage(name) : note(name, inUse.rootfs)),
  }));
  const madeHere = async (
    kind: StorageKind,
    at: (name: string) => string,
    needed: ReadonlySet<string>,
  ): Promise<Found[]> => {
    const folder = dirname(at('lock'));
    // The newest is kept, because whoever made it may be at work with other sources or templates than ours.
    const newest = await newestIn(folder);
    return describeEach(look, kind, folder, (name, sinceMs) => {
      const lock = at('lock');
      if (name.startsWith(targetPrefix))
        return { lock, reason: 'it only makes the next build quicker', when: 'all', counts: false };
      if (!digest.test(name)) return { lock, ...note(name, needed) };
      const isNeeded = needed.has(name) || name === newest || Date.now() - sinceMs < justMadeMs;
      return isNeeded ? { lock } : { lock, reason: 'nothing uses it any more', when: 'asked' };
    });
  };
  return [
    ...roots,
    ...(await madeHere('kernel', layout.kernel, inUse.kernels)),
    ...(await madeHere('initramfs', layout.initramfs, inUse.initramfs)),
    ...(await madeHere('program', layout.agent, inUse.agent)),
    ...(await madeHere('program', layout.confiner, inUse.confine)),
    ...(await madeHere('program', layout.listener, inUse.listen)),
  ];
}

/** A file beside the images: a lock, a log, or the record of what was made of something. */
const note = (name: string, needed: ReadonlySet<string>): About =>
  name.startsWith('of') && !needed.has(name)
    ? { counts: false, reason: 'what it was made of is gone' }
    : { counts: false };

async function newestIn(folder: string): Promise<string | undefined> {
  const made: { readonly name: string; readonly at: number }[] = [];
  for (const name of (await readdir(folder).catch(() => [])).filter((each) => digest.test(each))) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found !== null) made.push({ name, at: found.ctimeMs });
  }
  return made.toSorted((a, b) => b.at - a.at)[0]?.name;
}
