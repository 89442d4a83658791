import { NovaError } from '@novasandbox/protocol';
import type { Operation, Route, routes } from '@novasandbox/protocol/api';

export type { Operation };

type ParamNames<P extends string> = P extends `${string}{${infer N}}${infer Rest}` ? N | ParamNames<Rest> : never;
export type Params<O extends Operation> = {
  readonly [N in ParamNames<(typeof routes)[O]['path']>]: string | number;
};
export type QueryValue = string | number | boolean | readonly string[] | undefined;
export type Query = Readonly<Record<string, QueryValue>>;

/** Routes by operation. */
export type Routes = Readonly<Record<Operation, Route>>;

/** Builds the path and query of a request. A parameter always stays a single path segment. */
export function pathOf(route: Route, params: Readonly<Record<string, string | number>>, query: Query): string {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(params[name] ?? '');
    // "." and ".." would be resolved as path steps, and an empty value would match another route.
    if (/^\.{0,2}$/.test(value)) throw new NovaError('invalid_argument', `${name}: "${value}" is not a valid name.`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const each of value) search.append(name, each);
    else search.append(name, String(value));
  }
  return `/api/v1${path}${search.size === 0 ? '' : `?${search.toString()}`}`;
}
