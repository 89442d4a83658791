import { NovaError, toNovaError } from '@novasandbox/protocol';

/** One child of a fork, or why there is none. */
export type Forked<S> =
  { readonly sandbox: S; readonly error: null } | { readonly sandbox: null; readonly error: NovaError };

/** The part of a sandbox's handle that ends it. */
export interface Removable {
  readonly id: string;
  kill(): Promise<unknown>;
}

/** Returns the children if there are as many as asked for. Otherwise removes them and throws the first error. */
export async function allOrNone<S extends Removable>(forks: readonly Forked<S>[]): Promise<S[]> {
  const children = forks.flatMap(({ sandbox }) => (sandbox === null ? [] : [sandbox]));
  const failed = forks.flatMap(({ error }) => (error === null ? [] : [error]));
  const [first] = failed;
  if (first === undefined) return children;
  const message = `${failed.length} of ${forks.length} children could not be made: ${first.message}`;
  const { code, hint, details } = first;
  throw await undone(new NovaError(code, message, { cause: first, hint, details }), children);
}

/** Removes the children and returns the error, which then names those that could not be removed. */
export async function undone(error: unknown, children: readonly Removable[]): Promise<unknown> {
  const left = await removeAll(children);
  if (left.length === 0) return error;
  const { code, message, hint, details } = toNovaError(error);
  const told = `${message} These sandboxes could not be removed: ${left.join(', ')}.`;
  return new NovaError(code, told, { cause: error, hint, details: { ...details, left } });
}

/** Removes sandboxes; resolves to the ids of those that are still there. */
export async function removeAll(children: readonly Removable[]): Promise<string[]> {
  const left: string[] = [];
  await Promise.all(children.map((child) => child.kill().catch(() => left.push(child.id))));
  return left;
}
