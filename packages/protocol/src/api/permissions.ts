import * as z from 'zod';

/** Everything a caller can be allowed to do. A route without one of these, or `public`, does not exist: a test checks it. */
export const permissionSchema = z.enum([
  'vm:read',
  'vm:create',
  'vm:delete',
  'vm:start',
  'vm:stop',
  'vm:update',
  'snapshot:read',
  'snapshot:create',
  'snapshot:delete',
  'guest:execute',
  'guest:file_transfer',
  'guest:connect',
  'template:read',
  'template:build',
  'template:delete',
  'resource:read',
  'resource:allocate',
  'network:read',
  'network:write',
  'system:read',
  'system:admin',
  'security:read',
  'security:admin',
]);
export type Permission = z.infer<typeof permissionSchema>;

export const roleSchema = z.enum(['admin', 'power_user', 'user', 'readonly']);
export type Role = z.infer<typeof roleSchema>;

/** Whose sandboxes each role acts on, with its permissions: one's own, those of everybody in the team too, or all. */
export const roleReach: Readonly<Record<Role, 'own' | 'team' | 'all'>> = {
  admin: 'all',
  power_user: 'team',
  user: 'own',
  readonly: 'own',
};

const reading = ['vm:read', 'snapshot:read', 'template:read', 'resource:read', 'network:read', 'system:read'] as const;
const user = [
  'vm:read',
  'vm:create',
  'vm:delete',
  'vm:start',
  'vm:stop',
  'vm:update',
  'snapshot:read',
  'snapshot:create',
  'guest:execute',
  'guest:file_transfer',
  'guest:connect',
  'template:read',
  'system:read',
] as const;

/** What each role may do. */
export const rolePermissions: Readonly<Record<Role, readonly Permission[]>> = {
  admin: permissionSchema.options,
  power_user: [...user, 'snapshot:delete', 'template:build', 'resource:read', 'resource:allocate', 'network:read'],
  user,
  readonly: reading,
};
