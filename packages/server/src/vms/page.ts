import { isLive, NovaError, sandboxStateSchema, type SandboxInfo, type SandboxState } from '@novasandbox/protocol';
import { vmOf, type listVmsQuerySchema, type Vm } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import { labelsOf, pageOf } from './pages.ts';

type Query = z.output<typeof listVmsQuerySchema>;

export interface PageOfVms {
  readonly vms: Vm[];
  readonly total: number;
  readonly next_cursor: string | null;
}

/** Returns one page of the VMs that the query asks for. */
export function pageOfVms(infos: readonly SandboxInfo[], query: Query): PageOfVms {
  const states = statesOf(query.status);
  const labels = labelsOf(query.label);
  const matching = infos.filter(
    (info) =>
      states.includes(info.state) &&
      query.os_type !== 'windows' &&
      (query.owner === undefined || info.owner === query.owner) &&
      (query.team === undefined || info.team === query.team) &&
      labels.every(([key, value]) => info.labels[key] === value),
  );
  const { items, next_cursor } = pageOf(matching, query, (info, sort) =>
    sort === 'created_at' ? info.createdAt : sort === 'name' ? (info.name ?? '') : info.state,
  );
  return { vms: items.map(vmOf), total: matching.length, next_cursor };
}

function statesOf(status: string | undefined): readonly SandboxState[] {
  if (status === undefined) return sandboxStateSchema.options.filter(isLive);
  if (status === 'all') return sandboxStateSchema.options;
  return status.split(',').map((word) => {
    const state = sandboxStateSchema.safeParse(word.trim());
    if (state.success) return state.data;
    throw new NovaError(
      'invalid_argument',
      `status: "${word}" is no state; there are ${sandboxStateSchema.options.join(', ')}.`,
    );
  });
}
