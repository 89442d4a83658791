import type { Ownership, Scope } from '@novasandbox/protocol';
import { permissionSchema, rolePermissions, roleReach, type Permission, type Role } from '@novasandbox/protocol/api';
import type { Caller } from '../context.ts';

const hostOwnership: Ownership = { owner: null, team: null };

/** The daemon itself, where it looks after all sandboxes. */
export const system: Caller = {
  ownership: hostOwnership,
  scope: { of: 'all', owner: null },
  permissions: new Set(permissionSchema.options),
};

/** Somebody of that role. Without `scopes` a role is not narrowed. */
export function callerOf(role: Role, ownership: Ownership, scopes: readonly Permission[] = []): Caller {
  const allowed = rolePermissions[role].filter((each) => scopes.length === 0 || scopes.includes(each));
  return { ownership, scope: scopeOf(role, ownership), permissions: new Set(allowed) };
}

function scopeOf(role: Role, { owner, team }: Ownership): Scope {
  if (roleReach[role] === 'all') return { of: 'all', owner };
  // Only the host's own credentials own nothing by a name, and they are an admin's.
  if (owner === null) throw new Error(`a ${role} needs an owner`);
  return roleReach[role] === 'team' && team !== null ? { of: 'team', owner, team } : { of: 'owner', owner };
}

// A request wakes a sandbox whose maker chose that.
const looks = ['vm:read', 'vm:start', 'vm:update'] as const;
const doors = {
  agent: new Set<Permission>([...looks, 'guest:execute', 'guest:file_transfer']),
  ports: new Set<Permission>([...looks, 'guest:connect']),
};

/** A visitor of the data plane who was let in to one sandbox: by its token, by a key, or because it is open. */
export const visitorOf = (sandboxId: string, door: keyof typeof doors): Caller => ({
  ownership: hostOwnership,
  scope: { of: 'one', id: sandboxId },
  permissions: doors[door],
});

/** A caller without credentials, who may act on nothing. */
export const nobody: Caller = { ownership: hostOwnership, scope: { of: 'one', id: '' }, permissions: new Set() };
