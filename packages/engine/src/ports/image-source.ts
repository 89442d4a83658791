import type { ArchitectureName, ImageInfo, ProgressSink, Template } from '@novasandbox/protocol';

/**
 * The interface to the parts of a guest. Every artefact is content-addressed and immutable once made. Making one twice
 * at once is safe.
 */

export interface ImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
}

export interface GuestKernel {
  readonly architecture: ArchitectureName;
  readonly digest: string;
  /** Uncompressed: an ELF file that supports PVH boot, or arm64's Image. */
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

/** A template with what its image says where template.json says nothing. */
export interface GuestTemplate extends Template {
  readonly user: string;
}

export interface LoadedTemplate {
  readonly template: GuestTemplate;
  /** The OCI image that it is made of; null where there is none, or it was not fetched. */
  readonly image: ImageInfo | null;
  /** The folder of template.json. */
  readonly directory: string;
  /** Where its own kernel and its ready-made root image are, if it has any. */
  readonly files: { readonly kernel: string; readonly root: string };
  /** The processor that its kernel and root image are for. */
  readonly architecture: ArchitectureName;
}

/** Work that only a guest can do, because it runs programs of the guest's processor. */
export interface GuestWork {
  /** Its kernel and processor are those of the guest. */
  readonly template: LoadedTemplate;
  /** The image of the guest's root; it is not changed. */
  readonly system: string;
  /** An ext4 image that the guest has mounted writable at /mnt. */
  readonly target: string;
  /** A folder for the guest's machine. It is made and removed. */
  readonly directory: string;
  /** For /bin/sh, run as root with `/mnt` as its first argument. */
  readonly script: string;
  /** The file to which standard error of the script is appended. `onLine` gets each line of it. */
  readonly log: string;
  readonly onLine: (line: string) => void;
}

/**
 * Boots a guest for some work and ends it. Gives the script's standard output.
 * @throws NovaError `template_build_failed` where the script fails
 */
export type RunInGuest = (work: GuestWork, options: ImageOptions) => Promise<string>;

/** The parts that can be built elsewhere. */
export type PartKind = 'agent' | 'confine' | 'listen' | 'kernel';

export interface Part {
  readonly kind: PartKind;
  /** Digest of the sources that it is built from. */
  readonly address: string;
  /** The names of all its files. */
  readonly files: readonly string[];
}

/** The description of a part by its builder; null for a part that describes itself. */
export interface PrebuiltPart {
  readonly kernel: { readonly digest: string; readonly release: string } | null;
}

/**
 * Puts a part that was built elsewhere into a folder, with its files exactly as they were built. Null where it is not
 * available and has to be built here.
 * @throws NovaError `checksum_mismatch`, `download_failed` where it is available but cannot be fetched whole
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
  /** The agent and the modules of that kernel that a guest needs; `moreModules` are loaded at boot as well. */
  initramfs(
    kernel: GuestKernel,
    options: ImageOptions & { readonly moreModules?: readonly string[] },
  ): Promise<Initramfs>;
  /** Kernel and initramfs, which are made side by side where they are missing. */
  boot(template: LoadedTemplate, options: ImageOptions): Promise<BootFiles>;
  /** The template's root image, which is built when it is missing. */
  rootImage(template: LoadedTemplate, options: ImageOptions): Promise<RootImage>;
  /** The root image if it exists already; never builds. */
  builtRootImage(template: LoadedTemplate): Promise<RootImage | null>;
  /** A root image by its digest, with the digest of its content; null where it is not here. */
  rootImageAt(digest: string): (RootImage & { readonly sha256: string }) | null;
  /** The agent's binary for this host, which is built when it is missing (the process driver runs it directly). */
  agent(options: ImageOptions): Promise<{ readonly digest: string; readonly path: string }>;
  /** The program that shuts VMMs in on this host (vmm/confine.ts), built when it is not there. */
  confiner(options: ImageOptions): Promise<{ readonly program: string; readonly guestMemory: string }>;
  /** The program that opens the listeners of network slots (host/listen), built when it is not there. */
  listener(options: ImageOptions): Promise<{ readonly program: string }>;
  /** Forgets what the name of the template's OCI image led to, so that it is looked up anew. */
  forgetImage(template: LoadedTemplate): Promise<void>;
  /**
   * Removes the root image, or sets it aside where `isNeeded` says so of the digest of its content, which then names
   * it.
   */
  removeRootImage(template: LoadedTemplate, isNeeded: (sha256: string) => boolean): Promise<void>;
}
