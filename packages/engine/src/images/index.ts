import { NovaError } from '@novasandbox/protocol';
import { together } from '../abort.ts';
import { architectures, hostArchitecture } from '../architecture.ts';
import type { Layout } from '../layout.ts';
import type { FetchPrebuilt, ImageOptions, ImageSource, RunInGuest } from '../ports/image-source.ts';
import type { Confiner } from '../vmm/confine.ts';
import { guestAgent } from './agent.ts';
import { hostConfiner } from './confiner.ts';
import { guestInitramfs } from './initramfs.ts';
import { guestKernel } from './kernel.ts';
import type { ProgramOptions } from './rust-program.ts';
import { builtRootImage, removeRootImage, rootImage } from './root-image.ts';

export { makeWritableDisk, writableLabel } from './writable-disk.ts';
export { copyExtents, copySparse, dataExtents, type Extent } from './sparse.ts';

/** What guests are made of, kept below `layout.home`, made with the tools of this host when it is missing; `runInGuest` where these do not suffice. */
export function createImageSource(
  layout: Layout,
  runInGuest: RunInGuest = cannotRun,
  fetchPrebuilt?: FetchPrebuilt,
): ImageSource {
  let confiner: Confiner | undefined;
  const programs = (options: ImageOptions): ProgramOptions => ({ ...options, fetchPrebuilt });
  return {
    kernel: (template, options) => guestKernel(layout, template, programs(options)),
    initramfs: async (kernel, options) =>
      guestInitramfs(
        layout,
        kernel,
        await guestAgent(layout, architectures[kernel.architecture], programs(options)),
        options,
      ),
    boot: async (template, options) => {
      const [kernel, agent] = await together(options.signal, [
        (signal) => guestKernel(layout, template, programs({ ...options, signal })),
        (signal) => guestAgent(layout, architectures[template.architecture], programs({ ...options, signal })),
      ]);
      return { kernel, initramfs: await guestInitramfs(layout, kernel, agent, options) };
    },
    rootImage: (template, options) => rootImage(layout, template, runInGuest, options),
    builtRootImage: async (template) => builtRootImage(layout, template),
    agent: (options) => guestAgent(layout, hostArchitecture(), programs(options)),
    confiner: async (options) => (confiner ??= await hostConfiner(layout, programs(options))),
    removeRootImage: (template) => removeRootImage(layout, template),
  };
}

/** Of use to those who want no root images for another processor. */
const cannotRun: RunInGuest = ({ template }) =>
  Promise.reject(
    new NovaError('template_not_buildable', `Root images for ${template.architecture} are built by an engine alone.`),
  );
