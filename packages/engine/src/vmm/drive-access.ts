import { statSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import type { Drive } from '../ports/vmm-driver.ts';

/**
 * Refuses a caller's drive that a VMM of that user (null: ours) could not open by name, because we do not change the
 * owner and mode of a caller's file. For VMMs that cannot be given an open file. Rejects with `permission_denied`.
 */
export function requireAccess(drive: Drive, uid: number | null): void {
  if (!drive.foreign) return;
  const found = statSync(drive.path);
  const user = uid ?? process.getuid?.() ?? 0;
  const bits = found.uid === user ? found.mode >> 6 : found.mode;
  const wanted = drive.readOnly ? 0o4 : 0o6;
  if ((bits & wanted) === wanted) return;
  const mode = drive.readOnly ? 'o+r' : 'o+rw';
  throw new NovaError(
    'permission_denied',
    `${drive.path} may not be opened by the VMM, which runs as a user of its own.`,
    { hint: `Allow it (chmod ${mode} ${drive.path}), or use the hypervisor qemu, which gets the file open.` },
  );
}
