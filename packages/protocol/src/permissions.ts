import * as z from 'zod';

/** All permissions. Every route requires one of these or is `public` or `authenticated`, which a test checks. */
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
  'volume:read',
  'volume:write',
  'volume:delete',
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
