import { forkBodySchema } from '../snapshot-requests.ts';
import { forkedSchema } from '../snapshots.ts';
import type { Route } from '../route.ts';

/** Enough for a thousand variables and labels of reasonable size. */
const bodyKb = 1024;

/** Copies of running VMs. */
export const forksRoutes = {
  forkVm: {
    method: 'POST',
    path: '/vms/{id}/fork',
    tag: 'snapshots',
    summary: 'Make running children of a running VM, all from one instant; the VM itself goes on',
    permission: 'vm:create',
    body: forkBodySchema,
    bodyKb,
    status: 201,
    response: forkedSchema,
    idempotent: true,
  },
  cloneVm: {
    method: 'POST',
    path: '/vms/{id}/clone',
    tag: 'snapshots',
    summary: 'Another name of `fork`',
    permission: 'vm:create',
    body: forkBodySchema,
    bodyKb,
    status: 201,
    response: forkedSchema,
    idempotent: true,
  },
  exportVm: {
    method: 'GET',
    path: '/vms/{id}/export',
    tag: 'snapshots',
    summary: 'A VM as it is now, as one file; the snapshot that is taken for it is not kept',
    permission: 'snapshot:create',
    responseType: 'bytes',
  },
} as const satisfies Record<string, Route>;
