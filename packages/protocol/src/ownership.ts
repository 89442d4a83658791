/**
 * The owner and team of a sandbox or another stored thing. The engine does not interpret them; null means the host
 * itself.
 */
export interface Ownership {
  readonly owner: string | null;
  readonly team: string | null;
}

/** The things that a call may act on. When a name is looked up, those of `owner` take precedence. */
export type Scope =
  | { readonly of: 'owner'; readonly owner: string }
  /** Things of the owner and of everybody in the team. */
  | { readonly of: 'team'; readonly owner: string; readonly team: string }
  | { readonly of: 'all'; readonly owner: string | null }
  /** One thing by its id, whoever owns it. */
  | { readonly of: 'one'; readonly id: string };

/** Everything, as the owner of the host sees it. */
export const everything: Scope = { of: 'all', owner: null };

/** Whether a thing lies within a scope; the only place that decides this. */
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
