import {
  isLocalImage,
  isNovaError,
  within,
  type NetworkInfo,
  type Approval,
  type ApprovalAnswerInput,
  type NewPolicyInput,
  type PolicyInfo,
  type SandboxConfigInput,
  type SandboxInfo,
  type Scope,
  type SnapshotInfo,
  type VolumeInfo,
} from '@novasandbox/protocol';
import type { CreateContext, LocalEngine, OwnedContext } from '@novasandbox/engine';
import type { Caller, Services } from '../context.ts';
import type { FoundServices } from '../observe/found.ts';
import { neededFor, requirePermission } from './permissions.ts';
import { rules, type Rule, type Target } from './rules.ts';

type Arguments = readonly unknown[];
type Call = (...args: Arguments) => Promise<unknown>;

/** Where sandboxes and snapshots are looked up. */
export interface Directory {
  /** A sandbox that the daemon has seen, by its whole id. */
  readonly known: (id: string) => SandboxInfo | undefined;
  /** The sandbox behind an id, a prefix or a name within the scope. Throws `sandbox_not_found`. */
  readonly find: (ref: string, scope: Scope) => Promise<SandboxInfo>;
  /**
   * The snapshot behind an id, a prefix or a name within the scope, of the sandbox `of` where that is given. Throws
   * `snapshot_not_found`.
   */
  readonly findSnapshot: (ref: string, scope: Scope, of?: string) => Promise<SnapshotInfo>;
  /** The volume behind an id, a prefix or a name within the scope. Throws `volume_not_found`. */
  readonly findVolume: (ref: string, scope: Scope) => Promise<VolumeInfo>;
  /** The private network behind an id, a prefix or a name within the scope. Throws `network_not_found`. */
  readonly findNetwork: (ref: string, scope: Scope) => Promise<NetworkInfo>;
  /** The network policy behind an id or a name within the scope. Throws `not_found`. */
  readonly findPolicy: (ref: string, scope: Scope) => Promise<PolicyInfo>;
  /** The question of that id about a sandbox within the scope. Throws `not_found`. */
  readonly findApproval: (id: string, scope: Scope) => Promise<Approval>;
}

/**
 * The engine as one caller may use it; no other place decides that. Sandboxes and snapshots outside of the caller's
 * scope do not exist here, and new ones belong to the caller.
 */
export function authorised(
  engine: FoundServices,
  caller: Caller,
  { known, find, findSnapshot, findVolume, findNetwork, findPolicy, findApproval }: Directory,
  drivers: LocalEngine['drivers'],
): Services {
  const found = (ref: string): SandboxInfo | Promise<SandboxInfo> => {
    const seen = known(ref);
    // Owners do not change: no look-up is needed for those that are known.
    return seen !== undefined && within(caller.scope, seen) ? seen : find(ref, caller.scope);
  };
  const snapshot = (ref: unknown, of?: string): Promise<SnapshotInfo> => findSnapshot(String(ref), caller.scope, of);
  /** The snapshot of that sandbox, or of another: it may have been made from that one. */
  const nearest = async (ref: unknown, of: string): Promise<SnapshotInfo> => {
    try {
      return await snapshot(ref, of);
    } catch (error) {
      if (!isNovaError(error, 'snapshot_not_found')) throw error;
      return snapshot(ref);
    }
  };
  const requireFor = (config: unknown): void => {
    for (const permission of neededFor(config as SandboxConfigInput, drivers)) requirePermission(caller, permission);
  };
  const owned = (context: unknown): CreateContext => ({
    ...(context as CreateContext | undefined),
    ownership: caller.ownership,
    // Names of volumes and networks are looked up there.
    scope: caller.scope,
  });
  const ownedBy = (context: unknown): OwnedContext => ({
    ...(context as OwnedContext | undefined),
    ownership: caller.ownership,
  });
  /** For each kind of target, the arguments that a call is passed on with. */
  const targets: Readonly<Record<Target, (args: Arguments) => Arguments | Promise<Arguments>>> = {
    async sandbox([ref, ...rest]) {
      return [await found(String(ref)), ...rest];
    },
    async 'sandbox and policy'([ref, policy, ...rest]) {
      requireFor({ policy });
      return [await found(String(ref)), policy, ...rest];
    },
    'new sandbox'([config, context]) {
      requireFor(config);
      return [config, owned(context)];
    },
    async 'new of sandbox'([ref, how, context]) {
      const { autoResume, policy } = (how ?? {}) as SandboxConfigInput;
      requireFor({ autoResume, policy });
      return [await found(String(ref)), how, owned(context)];
    },
    many: ([filter]) => [filter, caller.scope],
    all: () => [caller.scope],
    async snapshot([ref, ...rest]) {
      return [await snapshot(ref), ...rest];
    },
    async 'snapshot of a sandbox'([ref, , of]) {
      return [await snapshot(ref, of as string | undefined)];
    },
    async 'sandbox and snapshot'([ref, name, ...rest]) {
      const sandbox = await found(String(ref));
      return [sandbox, await nearest(name, sandbox.id), ...rest];
    },
    async 'new of snapshot'([ref, given, context]) {
      const from = await snapshot(ref);
      const { hostPort, autoResume, policy, volumes } = (given ?? {}) as SandboxConfigInput;
      requireFor({ hypervisor: from.hypervisor, hostPort, autoResume, policy, volumes });
      return [from, given, owned(context)];
    },
    'new snapshot': ([source, how, context]) => [source, how, owned(context)],
    async volume([ref, ...rest]) {
      return [(await findVolume(String(ref), caller.scope)).id, ...rest];
    },
    'new volume': ([volume, context]) => [volume, ownedBy(context)],
    async network([ref, ...rest]) {
      return [(await findNetwork(String(ref), caller.scope)).id, ...rest];
    },
    'new network': ([network, context]) => [network, ownedBy(context)],
    async policy([ref, policy, ...rest]) {
      requireFor({ policy });
      return [(await findPolicy(String(ref), caller.scope)).id, policy, ...rest];
    },
    'new policy'([given, context]) {
      requireFor({ policy: (given as NewPolicyInput | undefined)?.policy });
      return [given, owned(context)];
    },
    'policy to test': ([policy, wish, context]) => [policy, wish, owned(context)],
    async approval([id, answer, ...rest]) {
      const { id: found, host } = await findApproval(String(id), caller.scope);
      // A rule about an address needs the same permission in a policy.
      const { action, scope } = (answer ?? {}) as Partial<ApprovalAnswerInput>;
      if (host === null && action === 'allow' && scope === 'always') requirePermission(caller, 'network:write');
      return [found, answer, ...rest];
    },
    host: (args) => args,
    'host and image'(args) {
      const { image } = (args[1] ?? {}) as { readonly image?: string };
      if (image !== undefined && isLocalImage(image)) requirePermission(caller, 'system:admin');
      return args;
    },
  };
  const service = <S extends keyof Services>(name: S): Services[S] => {
    const calls = engine[name] as unknown as Readonly<Record<string, Call>>;
    const guarded = Object.entries<Rule>(rules[name]).map(([method, { on, needs }]): [string, Call] => [
      method,
      async (...args) => {
        if (needs !== null) requirePermission(caller, needs);
        return calls[method]?.(...(await targets[on](args)));
      },
    ]);
    return Object.fromEntries(guarded) as unknown as Services[S];
  };
  const names = Object.keys(rules) as (keyof Services)[];
  return Object.fromEntries(names.map((name) => [name, service(name)])) as unknown as Services;
}
