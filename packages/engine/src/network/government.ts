import type { Egress } from '../ports/egress.ts';
import type { Governance, Network, OfEgress } from '../ports/network.ts';
import type { Turns } from './in-turn.ts';

interface GovernmentOptions {
  readonly egress: Egress;
  readonly turns: Turns;
  /** Puts the policy of one sandbox in force; null: it has none. */
  readonly govern: (sandbox: string, governance: Governance | null, signal?: AbortSignal) => Promise<void>;
  /** The rules that the egress process enforces for a sandbox with a policy or (null) without one; null: none. */
  readonly served: (sandbox: string, governance: Governance | null) => Governance | null;
}

/** Changes what the guests of slots reach, while they run. */
export function createGovernment({
  egress,
  turns,
  govern,
  served,
}: GovernmentOptions): Pick<Network, 'govern' | 'governAgain' | keyof OfEgress> {
  return {
    govern: (sandbox, governance, signal) => turns.run(sandbox, () => govern(sandbox, governance, signal)),
    async governAgain(wanted, othersAre) {
      const found = new Set(await egress.served());
      const toServe = new Map(
        [...wanted].flatMap(([sandbox, governance]) => {
          const effective = served(sandbox, governance);
          return effective === null ? [] : [[sandbox, effective] as const];
        }),
      );
      for (const sandbox of found) {
        if (toServe.has(sandbox)) continue;
        await turns.run(sandbox, async () => {
          const is = othersAre(sandbox);
          if (is === 'forget') await egress.forget(sandbox);
          else if (is === 'let out') await govern(sandbox, null);
        });
      }
      // One that cannot be served now hinders no other, and reaches nothing.
      const outcomes = await Promise.allSettled(
        [...toServe]
          .filter(([sandbox]) => !found.has(sandbox))
          .map(([sandbox, governance]) => turns.run(sandbox, () => govern(sandbox, governance))),
      );
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    names: (sandbox) => egress.names(sandbox),
    secretUses: (sandbox) => egress.secretUses(sandbox),
    decisions: (sandbox, how) => egress.decisions(sandbox, how),
    contacts: (sandbox) => egress.contacts(sandbox),
    questions: () => egress.questions(),
    answer: (sandbox, answers) => egress.answer(sandbox, answers),
    tidings: (signal) => egress.tidings(signal),
  };
}
