import * as volumes from '../volumes.ts';
import type { Route } from '../route.ts';

/** Volumes. */
export const volumesRoutes = {
  createVolume: {
    method: 'POST',
    path: '/volumes',
    tag: 'volumes',
    summary: 'Create an empty volume',
    permission: 'volume:write',
    body: volumes.createVolumeSchema,
    status: 201,
    response: volumes.volumeSchema,
    idempotent: true,
  },
  listVolumes: {
    method: 'GET',
    path: '/volumes',
    tag: 'volumes',
    summary: 'List volumes',
    permission: 'volume:read',
    response: volumes.volumeListSchema,
  },
  getVolume: {
    method: 'GET',
    path: '/volumes/{volume_id}',
    tag: 'volumes',
    summary: 'One volume',
    permission: 'volume:read',
    response: volumes.volumeSchema,
  },
  resizeVolume: {
    method: 'PATCH',
    path: '/volumes/{volume_id}',
    tag: 'volumes',
    summary: 'Make a volume larger',
    permission: 'volume:write',
    body: volumes.resizeVolumeSchema,
    response: volumes.volumeSchema,
  },
  deleteVolume: {
    method: 'DELETE',
    path: '/volumes/{volume_id}',
    tag: 'volumes',
    summary: 'Delete a volume with its contents',
    permission: 'volume:delete',
    query: volumes.deleteVolumeQuerySchema,
    status: 204,
  },
} as const satisfies Record<string, Route>;
