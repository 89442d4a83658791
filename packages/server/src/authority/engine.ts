import { within, type SandboxConfigInput, type SandboxInfo } from '@novasandbox/protocol';
import type { CreateContext } from '@novasandbox/engine';
import type { Caller, Services } from '../context.ts';
import { neededFor, requirePermission } from './permissions.ts';
import { rules, type Rule, type Target } from './rules.ts';

type Arguments = readonly unknown[];
type Call = (...args: Arguments) => Promise<unknown>;

/**
 * The engine as one caller may use it; the one place that decides it. Sandboxes outside of the caller's scope do not
 * exist here, and new ones belong to the caller. `known` finds a sandbox that the daemon has seen, by its whole id.
 */
export function authorised(engine: Services, caller: Caller, known: (id: string) => SandboxInfo | undefined): Services {
  const idOf = async (ref: string): Promise<string> => {
    const seen = known(ref);
    // Owners do not change: no look-up is needed for those that are known.
    if (seen !== undefined && within(caller.scope, seen)) return seen.id;
    return (await engine.sandboxes.get(ref, caller.scope)).id;
  };
  /** How each call goes on: the arguments that it is passed on with. */
  const targets: Readonly<Record<Target, (args: Arguments) => Arguments | Promise<Arguments>>> = {
    async sandbox([ref, ...rest]) {
      return [await idOf(String(ref)), ...rest];
    },
    'new sandbox'([config, context]) {
      for (const permission of neededFor(config as SandboxConfigInput)) requirePermission(caller, permission);
      return [config, { ...(context as CreateContext | undefined), ownership: caller.ownership }];
    },
    sandboxes: ([filter]) => [filter, caller.scope],
    host: (args) => args,
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
  return {
    sandboxes: service('sandboxes'),
    exec: service('exec'),
    files: service('files'),
    templates: service('templates'),
  };
}
