import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineContext } from '../context.ts';
import { layoutAt } from '../layout.ts';
import type { BootFiles, ImageSource, RootImage } from '../ports/image-source.ts';
import { loadTemplate } from '../images/load-template.ts';
import { guestImages } from './guest-spec.ts';

test('what a guest boots and its root image are made side by side, and one that fails ends the other', async () => {
  const template = await loadTemplate(layoutAt(), 'base');
  const boot = Promise.withResolvers<void>();
  const root = Promise.withResolvers<void>();
  const images: Pick<ImageSource, 'boot' | 'rootImage'> = {
    boot: async (): Promise<BootFiles> => {
      boot.resolve();
      await root.promise;
      throw new Error('no Rust here');
    },
    rootImage: async (_template, { signal }): Promise<RootImage> => {
      root.resolve();
      await boot.promise;
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('ended by the other')), { once: true });
      });
    },
  };
  await assert.rejects(guestImages({ images } as unknown as EngineContext, template, {}), /no Rust here/);
});
