import type { ProgressSink, Template } from '@novasandbox/protocol';

/** The seam to what a guest is made of. Every artefact is content-addressed and immutable once made; making one twice at once is safe. */

export interface ImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
}

export interface GuestKernel {
  readonly digest: string;
  /** Uncompressed ELF kernel, fit for a PVH boot. */
  readonly path: string;
  readonly release: string;
}

export interface Initramfs {
  readonly digest: string;
  readonly path: string;
}

export interface RootImage {
  readonly digest: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface LoadedTemplate {
  readonly template: Template;
  /** Where template.json lies. */
  readonly directory: string;
}

export interface ImageSource {
  /** The template's own vmlinux, else the distribution's cloud kernel with its modules. */
  kernel(template: LoadedTemplate, options: ImageOptions): Promise<GuestKernel>;
  /** Agent and the modules of that kernel that a guest needs; `moreModules` are loaded at boot as well. */
  initramfs(
    kernel: GuestKernel,
    options: ImageOptions & { readonly moreModules?: readonly string[] },
  ): Promise<Initramfs>;
  /** The template's root image, built when it is not there. */
  rootImage(template: LoadedTemplate, options: ImageOptions): Promise<RootImage>;
  /** The root image if it is there already; never builds. */
  builtRootImage(template: LoadedTemplate): Promise<RootImage | null>;
  /** The agent's binary for this host, built when it is not there (the process driver runs it as it is). */
  agent(options: ImageOptions): Promise<{ readonly digest: string; readonly path: string }>;
  /** Removes the root image. */
  removeRootImage(template: LoadedTemplate): Promise<void>;
}
