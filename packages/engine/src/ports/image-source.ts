import type { ArchitectureName, ProgressSink, Template } from '@novasandbox/protocol';

/** The seam to what a guest is made of. Every artefact is content-addressed and immutable once made; making one twice at once is safe. */

export interface ImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
}

export interface GuestKernel {
  readonly architecture: ArchitectureName;
  readonly digest: string;
  /** Uncompressed: an ELF file fit for a PVH boot, or arm64's Image. */
  readonly path: string;
  readonly release: string;
}

export interface Initramfs {
  readonly digest: string;
  readonly path: string;
}

export interface BootFiles {
  readonly kernel: GuestKernel;
  readonly initramfs: Initramfs;
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
  /** The processor that its kernel and root image are for. */
  readonly architecture: ArchitectureName;
}

/** Work that only a guest can do: with the programs of its processor. */
export interface GuestWork {
  /** What kernel it boots, and for which processor. */
  readonly template: LoadedTemplate;
  /** An image its root is; not changed. */
  readonly system: string;
  /** An ext4 image it finds writable at /mnt. */
  readonly target: string;
  /** A folder for its machine, which is made and removed. */
  readonly directory: string;
  /** For /bin/sh, run as root with `/mnt` as its first argument. */
  readonly script: string;
  /** File that receives what the script says on standard error, appended; and `onLine` each line of it. */
  readonly log: string;
  readonly onLine: (line: string) => void;
}

/**
 * Boots a guest for some work and ends it. Gives what the script wrote to standard output.
 * @throws NovaError `template_build_failed` where the script fails
 */
export type RunInGuest = (work: GuestWork, options: ImageOptions) => Promise<string>;

/** The parts that can be built elsewhere. */
export type PartKind = 'agent' | 'confine' | 'kernel';

export interface Part {
  readonly kind: PartKind;
  /** Digest of what it is built from. */
  readonly address: string;
  /** The names of its files, all of them. */
  readonly files: readonly string[];
}

/** The description of a part by its builder; null for a part that describes itself. */
export interface PrebuiltPart {
  readonly kernel: { readonly digest: string; readonly release: string } | null;
}

/**
 * Lays a part that was built elsewhere into a folder, each file as whole as it was built. Null where it is not to be had, and has to be built here.
 * @throws NovaError `checksum_mismatch`, `download_failed` where it is to be had and does not come as it should
 */
export type FetchPrebuilt = (
  part: Part,
  folder: string,
  update: (detail: string, fraction?: number) => void,
  signal?: AbortSignal,
) => Promise<PrebuiltPart | null>;

export interface ImageSource {
  /** The template's own vmlinux, else the distribution's cloud kernel with its modules. */
  kernel(template: LoadedTemplate, options: ImageOptions): Promise<GuestKernel>;
  /** Agent and the modules of that kernel that a guest needs; `moreModules` are loaded at boot as well. */
  initramfs(
    kernel: GuestKernel,
    options: ImageOptions & { readonly moreModules?: readonly string[] },
  ): Promise<Initramfs>;
  /** Both of what a guest boots, made side by side where they are missing. */
  boot(template: LoadedTemplate, options: ImageOptions): Promise<BootFiles>;
  /** The template's root image, built when it is not there. */
  rootImage(template: LoadedTemplate, options: ImageOptions): Promise<RootImage>;
  /** The root image if it is there already; never builds. */
  builtRootImage(template: LoadedTemplate): Promise<RootImage | null>;
  /** The agent's binary for this host, built when it is not there (the process driver runs it as it is). */
  agent(options: ImageOptions): Promise<{ readonly digest: string; readonly path: string }>;
  /** The program that shuts VMMs in on this host (vmm/confine.ts), built when it is not there. */
  confiner(options: ImageOptions): Promise<{ readonly program: string; readonly readOnlyMemory: string }>;
  /** Removes the root image. */
  removeRootImage(template: LoadedTemplate): Promise<void>;
}
