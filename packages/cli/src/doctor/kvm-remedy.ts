import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';

/** The facts that decide whether a user may open /dev/kvm. */
export interface KvmAccess {
  readonly uid: number;
  readonly user: string;
  /** Groups of this process. */
  readonly groups: readonly number[];
  readonly mode: number;
  readonly gid: number;
  /** The device's group according to /etc/group; null if it is not listed there. */
  readonly group: { readonly name: string; readonly members: readonly string[] } | null;
}

const superuser = 0;
const readAndWrite = 0o6;

/**
 * The remedy for a user who may not open /dev/kvm. Joining its group helps only if the group may open it and the user
 * is not in it.
 */
export function kvmRemedy({ uid, user, groups, mode, gid, group }: KvmAccess): string {
  const groupMay = ((mode >> 3) & readAndWrite) === readAndWrite;
  if (uid === superuser || (groupMay && groups.includes(gid))) {
    return 'Its permissions allow it, so something around this process forbids it: give a container the device (docker run --device /dev/kvm).';
  }
  if (!groupMay || group === null || gid === superuser) {
    return 'Its group may not open it either: sudo setfacl -m u:"$USER":rw /dev/kvm, and add a udev rule to keep that after the next boot.';
  }
  if (group.members.includes(user))
    return `Log in again: you are in its group ${group.name}, but this session is not yet.`;
  return `Join its group and log in again: sudo usermod -aG ${group.name} "$USER"`;
}

export async function kvmAccess(): Promise<KvmAccess> {
  const { mode, gid } = await stat('/dev/kvm');
  const { username, uid } = userInfo();
  const lines = (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  const [name, , , members = ''] = lines.find(([, , id]) => id === String(gid)) ?? [];
  const group = name === undefined ? null : { name, members: members.split(',').filter((each) => each !== '') };
  return { uid, user: username, groups: process.getgroups?.() ?? [], mode, gid, group };
}
