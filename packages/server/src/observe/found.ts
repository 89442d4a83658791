import type { SandboxInfo, SnapshotInfo } from '@novasandbox/protocol';
import type { Services } from '../context.ts';

/** A service whose calls take a sandbox that was looked up already, instead of its name. */
export type OnFound<S> = {
  [M in keyof S]: S[M] extends (ref: string, ...rest: infer R) => infer T ? (vm: SandboxInfo, ...rest: R) => T : S[M];
};

/** The same for calls that take a snapshot. */
type OnSnapshot<S> = {
  [M in keyof S]: S[M] extends (ref: string, ...rest: infer R) => infer T
    ? (snapshot: SnapshotInfo, ...rest: R) => T
    : S[M];
};

type Listing = Pick<Services['sandboxes'], 'create' | 'list'>;
type Snapshots = Services['snapshots'];

/**
 * The services below a caller's view. authority/engine.ts looks a name up once, and everything below uses the result.
 */
export type FoundServices = {
  readonly [
    S in Exclude<keyof Services, 'sandboxes' | 'snapshots' | 'templates' | 'volumes' | 'networks' | 'policies' | 'pool'>
  ]: OnFound<Services[S]>;
} & {
  readonly sandboxes: Listing & OnFound<Omit<Services['sandboxes'], keyof Listing>>;
  readonly snapshots: FoundSnapshots;
  readonly templates: Services['templates'];
  readonly volumes: Services['volumes'];
  readonly networks: Services['networks'];
  readonly policies: FoundPolicies;
  readonly pool: Services['pool'];
};

export type FoundSnapshots = Pick<Snapshots, 'list' | 'load' | 'statistics' | 'removeOlder'> &
  OnFound<Pick<Snapshots, 'take' | 'fork'>> &
  OnSnapshot<Pick<Snapshots, 'remove' | 'verify' | 'create' | 'save'>> & {
    get(snapshot: SnapshotInfo): Promise<SnapshotInfo>;
    restore(vm: SandboxInfo, snapshot: SnapshotInfo, ...rest: RestoreContext): ReturnType<Snapshots['restore']>;
  };
export type FoundPolicies = Omit<Services['policies'], 'learned'> & OnFound<Pick<Services['policies'], 'learned'>>;
type RestoreContext = Parameters<Snapshots['restore']> extends [string, string, ...infer R] ? R : never;

/** Passes calls that need no observation on to the service, with the id of the sandbox. */
export function byId<S extends object>(service: S): OnFound<S> {
  const calls = Object.entries(service as Readonly<Record<string, (id: string, ...rest: unknown[]) => unknown>>);
  return Object.fromEntries(
    calls.map(([name, call]) => [name, (vm: SandboxInfo, ...rest: unknown[]) => call(vm.id, ...rest)]),
  ) as OnFound<S>;
}
