import * as z from 'zod';
import * as system from '../system.ts';
import type { Route } from '../route.ts';

const ok = z.object({ ok: z.literal(true) });

/** Authentication, keys, users and roles. */
export const securityRoutes = {
  login: {
    method: 'POST',
    path: '/security/auth/login',
    tag: 'security',
    summary: 'A token for a user name and password',
    permission: 'public',
    body: system.loginSchema,
    bodyKb: 4,
    response: system.loggedInSchema,
  },
  logout: {
    method: 'POST',
    path: '/security/auth/logout',
    tag: 'security',
    summary: 'Revoke the token',
    permission: 'authenticated',
    response: ok,
  },
  validateAuth: {
    method: 'GET',
    path: '/security/auth/validate',
    tag: 'security',
    summary: 'Who the credentials are, and what they allow',
    permission: 'authenticated',
    response: system.whoAmISchema,
  },
  createSocketTicket: {
    method: 'POST',
    path: '/auth/ws-ticket',
    tag: 'security',
    summary: 'A ticket for one WebSocket, given as ?ticket= by clients that can send no headers',
    permission: 'authenticated',
    status: 201,
    response: system.socketTicketSchema,
  },
  listUsers: {
    method: 'GET',
    path: '/security/users',
    tag: 'security',
    summary: 'List users',
    permission: 'security:read',
    response: system.userListSchema,
  },
  createUser: {
    method: 'POST',
    path: '/security/users',
    tag: 'security',
    summary: 'Add a user',
    permission: 'security:admin',
    body: system.createUserSchema,
    status: 201,
    response: system.userSchema,
  },
  deleteUser: {
    method: 'DELETE',
    path: '/security/users/{username}',
    tag: 'security',
    summary: 'Remove a user',
    permission: 'security:admin',
    status: 204,
  },
  listRoles: {
    method: 'GET',
    path: '/security/roles',
    tag: 'security',
    summary: 'Roles and what they allow',
    permission: 'security:read',
    response: system.roleListSchema,
  },
  listKeys: {
    method: 'GET',
    path: '/security/api-keys',
    tag: 'security',
    summary: 'List API keys',
    permission: 'security:read',
    response: system.keyListSchema,
  },
  createKey: {
    method: 'POST',
    path: '/security/api-keys',
    tag: 'security',
    summary: 'Make an API key',
    permission: 'security:admin',
    body: system.createKeySchema,
    status: 201,
    response: system.createdKeySchema,
  },
  revokeKey: {
    method: 'DELETE',
    path: '/security/api-keys/{key_id}',
    tag: 'security',
    summary: 'Revoke an API key',
    permission: 'security:admin',
    status: 204,
  },
} as const satisfies Record<string, Route>;
