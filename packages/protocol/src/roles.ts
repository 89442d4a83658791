import { permissionSchema, type Permission, type Role } from './permissions.ts';

/** Sandboxes that each role may act on: the caller's own, those of the caller's team too, or all. */
export const roleReach: Readonly<Record<Role, 'own' | 'team' | 'all'>> = {
  admin: 'all',
  power_user: 'team',
  user: 'own',
  readonly: 'own',
};

const reading = [
  'vm:read',
  'snapshot:read',
  'volume:read',
  'template:read',
  'resource:read',
  'network:read',
  'system:read',
] as const;
const user = [
  'vm:read',
  'vm:create',
  'vm:delete',
  'vm:start',
  'vm:stop',
  'vm:update',
  'snapshot:read',
  'snapshot:create',
  'volume:read',
  'volume:write',
  'volume:delete',
  'guest:execute',
  'guest:file_transfer',
  'guest:connect',
  'template:read',
  'system:read',
] as const;

/** Permissions of each role. */
export const rolePermissions: Readonly<Record<Role, readonly Permission[]>> = {
  admin: permissionSchema.options,
  power_user: [...user, 'snapshot:delete', 'template:build', 'resource:read', 'resource:allocate', 'network:read'],
  user,
  readonly: reading,
};
