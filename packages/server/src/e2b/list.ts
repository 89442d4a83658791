import { givenLabels, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type * as z from 'zod';
import type { CallerContext } from '../context.ts';
import type { listSchema } from './wire.ts';

export interface Page {
  readonly items: readonly SandboxInfo[];
  /** For the next page; null on the last. */
  readonly nextToken: string | null;
}

interface Place {
  readonly startedAt: string;
  readonly id: string;
}

/** Running and paused sandboxes that fit, the newest first unless asked otherwise. */
export async function listSandboxes(
  { engine }: CallerContext,
  query: z.output<typeof listSchema>,
  defaultStates: readonly string[],
): Promise<Page> {
  const states = statesOf(query.state) ?? defaultStates;
  const metadata = pairsOf(query.metadata);
  const after = query.nextToken === undefined ? null : placeOf(query.nextToken);
  const direction = query.order === 'asc' ? 1 : -1;
  const since = query.startedAfter === undefined ? null : Date.parse(query.startedAfter);
  const fitting = (await engine.sandboxes.list())
    .filter((info) => states.includes(info.state))
    .filter(({ labels }) => {
      const own = givenLabels(labels);
      return metadata.every(([key, value]) => own[key] === value);
    })
    .filter((info) => query.template === undefined || info.templateId === query.template)
    .filter((info) => since === null || Date.parse(startOf(info)) >= since)
    .toSorted((a, b) => direction * compare(keyOf(a), keyOf(b)))
    .filter((info) => after === null || direction * compare(keyOf(info), after) > 0);
  const items = fitting.slice(0, query.limit);
  const last = items.at(-1);
  const more = fitting.length > items.length && last !== undefined;
  return { items, nextToken: more ? tokenOf(keyOf(last)) : null };
}

const startOf = (info: SandboxInfo): string => info.startedAt ?? info.createdAt;
// Starting again would move it between the pages; its making does not change.
const keyOf = (info: SandboxInfo): Place => ({ startedAt: info.createdAt, id: info.id });
const compare = (a: Place, b: Place): number =>
  a.startedAt === b.startedAt ? Number(a.id > b.id) - Number(a.id < b.id) : a.startedAt > b.startedAt ? 1 : -1;

const tokenOf = ({ startedAt, id }: Place): string => Buffer.from(`${startedAt} ${id}`).toString('base64url');

function placeOf(token: string): Place {
  const match = /^(\S{20,30}) ([a-z0-9]{4,40})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (match === null) throw new NovaError('invalid_argument', 'nextToken: not one of ours');
  return { startedAt: match[1] ?? '', id: match[2] ?? '' };
}

function statesOf(state: string | string[] | undefined): string[] | null {
  if (state === undefined) return null;
  const states = (Array.isArray(state) ? state : [state])
    .flatMap((each) => each.split(','))
    .filter((each) => each !== '');
  const unknown = states.find((each) => each !== 'running' && each !== 'paused');
  if (unknown !== undefined) throw new NovaError('invalid_argument', `state: there is no state "${unknown}"`);
  return states.length === 0 ? null : states;
}

/** Pairs of a form, each part encoded once more than a form's would be. */
function pairsOf(metadata: string | undefined): [string, string][] {
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return [...new URLSearchParams(metadata ?? '')].map(([key, value]) => [decode(key), decode(value)]);
}
