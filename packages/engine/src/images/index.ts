import type { Layout } from '../layout.ts';
import type { ImageSource } from '../ports/image-source.ts';
import { guestAgent } from './agent.ts';
import { guestInitramfs } from './initramfs.ts';
import { guestKernel } from './kernel.ts';
import { builtRootImage, removeRootImage, rootImage } from './root-image.ts';

export { makeWritableDisk, writableLabel } from './writable-disk.ts';
export { copyExtents, copySparse, dataExtents, type Extent } from './sparse.ts';

/** What guests are made of, kept below `layout.home`, made with the tools of this host when it is missing. */
export function createImageSource(layout: Layout): ImageSource {
  return {
    kernel: (template, options) => guestKernel(layout, template, options),
    initramfs: async (kernel, options) => guestInitramfs(layout, kernel, await guestAgent(layout, options), options),
    rootImage: (template, options) => rootImage(layout, template, options),
    builtRootImage: async (template) => builtRootImage(layout, template),
    agent: (options) => guestAgent(layout, options),
    removeRootImage: (template) => removeRootImage(layout, template),
  };
}
