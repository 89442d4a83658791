import type { Ownership, Scope } from '@novasandbox/protocol';
import { permissionSchema, rolePermissions, roleReach, type Permission, type Role } from '@novasandbox/protocol/api';
import type { Caller } from '../context.ts';

const hostOwnership: Ownership = { owner: null, team: null };

/** The daemon itself, for what it does with all sandboxes of its own accord. */
export const system: Caller = {
  ownership: hostOwnership,
  scope: { of: 'all', owner: null },
  permissions: new Set(permissionSchema.options),
};

/** A caller with the role. `scopes` narrows the permissions of the role where it is not empty. */
export function callerOf(role: Role, ownership: Ownership, scopes: readonly Permission[] = []): Caller {
  const allowed = rolePermissions[role].filter((each) => scopes.length === 0 || scopes.includes(each));
  return { ownership, scope: scopeOf(role, ownership), permissions: new Set(allowed) };
}

function scopeOf(role: Role, { owner, team }: Ownership): Scope {
  if (roleReach[role] === 'all') return { of: 'all', owner };
  // Only the host's own credentials have no owner, and those are an admin's.
  if (owner === null) throw new Error(`a ${role} needs an owner`);
  return roleReach[role] === 'team' && team !== null ? { of: 'team', owner, team } : { of: 'owner', owner };
}

// vm:start and vm:update are for a request that resumes a paused sandbox, where its creator has enabled that.
const looks = ['vm:read', 'vm:start', 'vm:update'] as const;
const doors = {
  agent: new Set<Permission>([...looks, 'guest:execute', 'guest:file_transfer']),
  ports: new Set<Permission>([...looks, 'guest:connect']),
};

/** A caller of the data plane who may use one sandbox: by its token, by a key, or because the sandbox is open. */
export const visitorOf = (sandboxId: string, door: keyof typeof doors): Caller => ({
  ownership: hostOwnership,
  scope: { of: 'one', id: sandboxId },
  permissions: doors[door],
});

const ofKeeper = new Set<Permission>([
  ...['vm:read', 'vm:create', 'vm:update', 'vm:delete', 'volume:read', 'volume:write'],
  ...['guest:execute', 'guest:file_transfer'],
] as const);

/** A caller who opens a volume for somebody who may use its files. What is made for this belongs to its owner. */
export const keeperOf = ({ owner, team }: Ownership): Caller => ({
  ownership: { owner, team },
  scope: owner === null ? { of: 'all', owner } : { of: 'owner', owner },
  permissions: ofKeeper,
});

/** A caller without credentials, who may act on nothing. */
export const nobody: Caller = { ownership: hostOwnership, scope: { of: 'one', id: '' }, permissions: new Set() };
