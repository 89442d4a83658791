import type { Permission } from '@novasandbox/protocol/api';

export interface MissingRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly permission: Permission;
  readonly what: string;
}

/** Routes of E2B's API that the engine cannot serve yet. They answer `not_implemented`. */
export const missingRoutes: readonly MissingRoute[] = [
  { method: 'POST', url: '/templates', permission: 'template:build', what: 'Template builds' },
  { method: 'POST', url: '/v2/templates', permission: 'template:build', what: 'Template builds' },
  { method: 'POST', url: '/v3/templates', permission: 'template:build', what: 'Template builds' },
  { method: 'GET', url: '/templates/:id/files/:hash', permission: 'template:build', what: 'Template builds' },
  { method: 'POST', url: '/v2/templates/:id/builds/:build', permission: 'template:build', what: 'Template builds' },
  { method: 'GET', url: '/templates/:id/builds/:build/status', permission: 'template:read', what: 'Template builds' },
  { method: 'POST', url: '/templates/tags', permission: 'template:build', what: 'Template tags' },
  { method: 'DELETE', url: '/templates/tags', permission: 'template:build', what: 'Template tags' },
  { method: 'GET', url: '/templates/:id/tags', permission: 'template:read', what: 'Template tags' },
  { method: 'GET', url: '/secrets', permission: 'vm:read', what: 'Secrets' },
  { method: 'POST', url: '/secrets', permission: 'vm:create', what: 'Secrets' },
  { method: 'DELETE', url: '/secrets/:id', permission: 'vm:delete', what: 'Secrets' },
];
