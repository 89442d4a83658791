import { resolve } from 'node:path';
import type { ExtraDrive } from '@novasandbox/protocol';
import { InvalidArgumentError } from 'commander';

/** Adds a disk image: `image.ext4:/mnt`, optionally followed by `:rw`, `:erofs` or `:squashfs`. */
export function parseDrive(text: string, before: readonly Partial<ExtraDrive>[] = []): readonly Partial<ExtraDrive>[] {
  const [path = '', mountPath = '', ...words] = text.split(':');
  const fsType = words.find((word) => word === 'ext4' || word === 'erofs' || word === 'squashfs');
  const known = words.every((word) => word === fsType || word === 'rw' || word === 'ro');
  if (path === '' || !mountPath.startsWith('/') || !known) {
    throw new InvalidArgumentError('Give it as image:/mount/path, with :rw, :erofs or :squashfs where they apply.');
  }
  const drive = { path: resolve(path), mountPath, readOnly: !words.includes('rw'), ...(fsType && { fsType }) };
  return [...before, drive];
}
