import { existsSync } from 'node:fs';
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
import { hostListener } from './listener.ts';
import type { ProgramOptions } from './rust-program.ts';
import { forgetRecord } from './oci/record.ts';
import { builtRootImage, removeRootImage, rootImage, rootImageAt } from './root-image.ts';

export { makeWritableDisk } from '../artifacts/writable-disk.ts';
export { copySparse } from '../artifacts/sparse.ts';

/**
 * Makes the parts of guests (kernel, initramfs, root image) and keeps them below `layout.home`. It uses the tools of
 * this host or, where these are not enough, `runInGuest`.
 */
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
    confiner: async (options) => {
      // Housekeeping of a later version may have removed it.
      if (confiner === undefined || !existsSync(confiner.program))
        confiner = await hostConfiner(layout, programs(options));
      return confiner;
    },
    listener: (options) => hostListener(layout, programs(options)),
    rootImageAt: (digest) => rootImageAt(layout, digest),
    forgetImage: async ({ template: { source, template_id: id }, architecture }) => {
      if (source.type === 'oci') await forgetRecord(layout, { id, image: source.image, architecture });
    },
    removeRootImage: (template, isNeeded) => removeRootImage(layout, template, isNeeded),
  };
}

/** For callers that need no root images for another processor. */
const cannotRun: RunInGuest = ({ template }) =>
  Promise.reject(
    new NovaError('template_not_buildable', `Root images for ${template.architecture} can only be built by an engine.`),
  );
