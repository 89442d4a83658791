import type { LocalEngine } from '@novasandbox/engine';
import {
  allowsAddresses,
  asksForSomething,
  fields,
  isLocalImage,
  NovaError,
  type Field,
  type FieldName,
  type SandboxConfigInput,
} from '@novasandbox/protocol';
import type { Permission } from '@novasandbox/protocol/api';
import type { Caller } from '../context.ts';

/** Throws `forbidden`, naming the permission, when the caller does not have it. */
export function requirePermission({ permissions }: Pick<Caller, 'permissions'>, permission: Permission): void {
  if (!permissions.has(permission))
    throw new NovaError('forbidden', `This needs the permission ${permission}.`, { details: { permission } });
}

/**
 * Permissions that a config needs beside `vm:create`, so that a create grants nothing that another call would refuse.
 */
export function neededFor(config: SandboxConfigInput, drivers: LocalEngine['drivers']): Permission[] {
  const given = Object.entries<Field>(fields).filter(([name]) => asksForSomething(config[name as FieldName]));
  const named = given.flatMap(([, { permission }]) => permission ?? []);
  // They may be those of the host, or of its networks.
  if (allowsAddresses(config.policy)) named.push('network:write');
  // A process of the host is not isolated, and only an admin may name things that belong to the host.
  const isolated = drivers.get(config.hypervisor ?? 'auto')?.virtualMachine !== false;
  const touchesHost =
    !isolated ||
    given.some(([, { hostAlone }]) => hostAlone !== undefined) ||
    (config.image !== undefined && isLocalImage(config.image));
  return touchesHost ? [...named, 'system:admin'] : named;
}
