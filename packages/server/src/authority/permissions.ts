import { NovaError, type SandboxConfigInput } from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';
import type { Caller } from '../context.ts';

/** Throws `forbidden` naming the permission where the caller does not have it. */
export function requirePermission({ permissions }: Pick<Caller, 'permissions'>, permission: Permission): void {
  if (!permissions.has(permission))
    throw new NovaError('forbidden', `This needs the permission ${permission}.`, { details: { permission } });
}

/** Permissions that a config needs beside `vm:create`: a create must give nothing that another call would refuse. */
export function neededFor(config: SandboxConfigInput): Permission[] {
  const { hostPort, hypervisor, rootfsPath, firmwarePath, extraDrives = [] } = config;
  const needed: Permission[] = [];
  if (hostPort !== undefined) needed.push('network:write');
  // A process of the host is isolated by nothing, and files of the host are not a caller's to name.
  const touchesHost = hypervisor === 'process' || rootfsPath !== undefined || firmwarePath !== undefined;
  if (touchesHost || extraDrives.length > 0) needed.push('system:admin');
  return needed;
}
