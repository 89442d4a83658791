import * as system from '../system.ts';
import type { Route } from '../route.ts';

/** Templates. */
export const templatesRoutes = {
  listTemplates: {
    method: 'GET',
    path: '/templates',
    tag: 'templates',
    summary: 'List templates',
    permission: 'template:read',
    response: system.templateListSchema,
  },
  getTemplate: {
    method: 'GET',
    path: '/templates/{template_id}',
    tag: 'templates',
    summary: 'One template',
    permission: 'template:read',
    response: system.templateWireSchema,
  },
  buildTemplate: {
    method: 'POST',
    path: '/templates/{template_id}/build',
    tag: 'templates',
    summary: 'Build what is missing',
    permission: 'template:build',
    body: system.buildTemplateSchema,
    response: system.templateWireSchema,
  },
  deleteTemplate: {
    method: 'DELETE',
    path: '/templates/{template_id}',
    tag: 'templates',
    summary: 'Remove the built image and its snapshots',
    permission: 'template:delete',
    status: 204,
  },
} as const satisfies Record<string, Route>;
