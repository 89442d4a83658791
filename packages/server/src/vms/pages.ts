import { NovaError } from '@novasandbox/protocol';
import * as z from 'zod';

/** How a page of a list is asked for. */
export interface PageQuery<K extends string> {
  readonly sort: K;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly offset: number;
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

const cursorSchema = z.tuple([z.string(), z.enum(['asc', 'desc']), z.string(), z.string()]);

/**
 * Returns one page of a list, sorted by a key of each item and then by its id. A cursor names the last item of the
 * previous page, not a position, so that changes of the list neither repeat nor skip items.
 */
export function pageOf<T extends { readonly id: string }, K extends string>(
  items: readonly T[],
  { sort, order, limit, offset, cursor }: PageQuery<K>,
  keyOf: (item: T, sort: K) => string,
): Page<T> {
  const compare = (a: readonly [string, string], b: readonly [string, string]): number => {
    const difference = a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0;
    return order === 'asc' ? difference : -difference;
  };
  const keyed = items
    .map((item) => ({ item, key: [keyOf(item, sort), item.id] as const }))
    .toSorted((a, b) => compare(a.key, b.key));
  const after = cursor === undefined ? null : readCursor(cursor, sort, order);
  const rest = after === null ? keyed.slice(offset) : keyed.filter(({ key }) => compare(key, after) > 0);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    next_cursor: last === undefined || page.length === rest.length ? null : writeCursor([sort, order, ...last.key]),
  };
}

/** Reads the labels that a query asks for, each of the form `key=value`. */
export function labelsOf(label: string | string[] | undefined): readonly (readonly [string, string])[] {
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
    // The error is thrown below.
  }
  throw new NovaError('invalid_argument', 'cursor: is not a cursor of this list.');
}
