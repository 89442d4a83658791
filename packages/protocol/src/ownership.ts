/**
 * The owner and the team of a sandbox, or of anything else that is kept. Opaque to the engine; null: the host itself.
 */
export interface Ownership {
  readonly owner: string | null;
  readonly team: string | null;
}

/** Whose things a call is about. Where names are looked up, those of `owner` come first. */
export type Scope =
  | { readonly of: 'owner'; readonly owner: string }
  /** Those of the owner, and of everybody in the team. */
  | { readonly of: 'team'; readonly owner: string; readonly team: string }
  | { readonly of: 'all'; readonly owner: string | null }
  /** One thing by its id, whosever it is. */
  | { readonly of: 'one'; readonly id: string };

/** All there is, as the owner of the host sees it. */
export const everything: Scope = { of: 'all', owner: null };

/** Whether a thing lies within a scope; the one place that says so. */
export function within(scope: Scope, thing: Ownership & { readonly id: string | null }): boolean {
  switch (scope.of) {
    case 'owner':
      return thing.owner === scope.owner;
    case 'team':
      return thing.owner === scope.owner || thing.team === scope.team;
    case 'all':
      return true;
    case 'one':
      return thing.id === scope.id;
  }
}
