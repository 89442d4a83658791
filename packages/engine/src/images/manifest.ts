/** Names of the files in the folder of a root image. */
export const rootImageFiles = { image: 'rootfs.ext4', manifest: 'manifest.json', log: 'build.log' } as const;

/** A summary for people, written beside a root image once it is whole. */
export interface Manifest {
  readonly template: string;
  readonly builtAt: string;
  readonly sizeBytes: number;
  /** Digest of the image's content. */
  readonly sha256: string;
  readonly packages: Readonly<Record<string, string>>;
}
