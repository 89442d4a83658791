import { NovaError, sandboxStateSchema, type SandboxInfo, type SandboxState } from '@novasandbox/protocol';
import { vmOf, type listVmsQuerySchema, type Vm } from '@novasandbox/protocol/api';
import * as z from 'zod';

type Query = z.output<typeof listVmsQuerySchema>;

export interface Page {
  readonly vms: Vm[];
  readonly total: number;
  readonly next_cursor: string | null;
}

const cursorSchema = z.tuple([
  z.enum(['created_at', 'name', 'status']),
  z.enum(['asc', 'desc']),
  z.string(),
  z.string(),
]);

/**
 * One page of a list. A cursor names the last one of the page before, not a position: what comes and goes meanwhile neither repeats nor
 * hides others.
 */
export function pageOfVms(infos: readonly SandboxInfo[], query: Query): Page {
  const { sort, order, limit, offset } = query;
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
  const keyOf = (info: SandboxInfo): string =>
    sort === 'created_at' ? info.createdAt : sort === 'name' ? (info.name ?? '') : info.state;
  const compare = (a: readonly [string, string], b: readonly [string, string]): number => {
    const difference = a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0;
    return order === 'asc' ? difference : -difference;
  };
  const keyed = matching
    .map((info) => ({ info, key: [keyOf(info), info.id] as const }))
    .toSorted((a, b) => compare(a.key, b.key));
  const after = query.cursor === undefined ? null : readCursor(query.cursor, sort, order);
  const rest = after === null ? keyed.slice(offset) : keyed.filter(({ key }) => compare(key, after) > 0);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    vms: page.map(({ info }) => vmOf(info)),
    total: matching.length,
    next_cursor: last === undefined || page.length === rest.length ? null : writeCursor([sort, order, ...last.key]),
  };
}

function statesOf(status: string | undefined): readonly SandboxState[] {
  if (status === undefined) return ['running', 'paused'];
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

function labelsOf(label: string | string[] | undefined): readonly (readonly [string, string])[] {
  return [label ?? []].flat().map((each) => {
    const at = each.indexOf('=');
    if (at < 1) throw new NovaError('invalid_argument', `label: "${each}" is not of the form key=value.`);
    return [each.slice(0, at), each.slice(at + 1)] as const;
  });
}

const writeCursor = (cursor: z.input<typeof cursorSchema>): string =>
  Buffer.from(JSON.stringify(cursor)).toString('base64url');

function readCursor(text: string, sort: string, order: string): readonly [string, string] {
  try {
    const cursor = cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    if (cursor[0] === sort && cursor[1] === order) return [cursor[2], cursor[3]];
  } catch {
    // Said below.
  }
  throw new NovaError('invalid_argument', 'cursor: is not one that this list gave.');
}
