import { NovaError } from '@novasandbox/protocol';

/** The place of an item in a list: lists are sorted by the time at which each was made, which does not change. */
export interface Place {
  readonly madeAt: string;
  readonly id: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the next page; null on the last page. */
  readonly nextToken: string | null;
}

export interface PageQuery {
  readonly order?: 'asc' | 'desc' | undefined;
  readonly limit: number;
  readonly nextToken?: string | undefined;
}

/** Returns one page of a list, newest first unless asked otherwise. */
export function pageOf<T>(items: readonly T[], query: PageQuery, placeOf: (item: T) => Place): Page<T> {
  const after = query.nextToken === undefined ? null : placeOfToken(query.nextToken);
  const direction = query.order === 'asc' ? 1 : -1;
  const rest = items
    .toSorted((a, b) => direction * compare(placeOf(a), placeOf(b)))
    .filter((item) => after === null || direction * compare(placeOf(item), after) > 0);
  const page = rest.slice(0, query.limit);
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return { items: page, nextToken: more ? tokenOf(placeOf(last)) : null };
}

const compare = (a: Place, b: Place): number =>
  a.madeAt === b.madeAt ? Number(a.id > b.id) - Number(a.id < b.id) : a.madeAt > b.madeAt ? 1 : -1;

const tokenOf = ({ madeAt, id }: Place): string => Buffer.from(`${madeAt} ${id}`).toString('base64url');

function placeOfToken(token: string): Place {
  const match = /^(\S{20,30}) ([a-z0-9]{4,40})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (match === null) throw new NovaError('invalid_argument', 'nextToken: is not a token of this list');
  return { madeAt: match[1] ?? '', id: match[2] ?? '' };
}
