import type { Egress } from '../ports/egress.ts';
import type { Governance, Network, NetworkSlot } from '../ports/network.ts';
import { setIntercepted } from './interception.ts';
import type { SlotHost } from './commands.ts';

interface GovernmentOptions extends Pick<SlotHost, 'launcher'> {
  readonly egress: Egress;
  readonly held: (sandbox: string) => NetworkSlot | null;
  /** Work on a sandbox's slot runs one at a time. */
  readonly inTurn: <T>(sandbox: string, work: () => Promise<T>) => Promise<T>;
}

/** Changes what the guests of slots reach, while they run. */
export function createGovernment({
  egress,
  held,
  inTurn,
  launcher,
}: GovernmentOptions): Omit<
  Network,
  'probe' | 'take' | 'held' | 'handTo' | 'giveBack' | 'reclaim' | 'mend' | typeof Symbol.asyncDispose
> {
  const govern = async (sandbox: string, governance: Governance | null, signal?: AbortSignal): Promise<void> => {
    const slot = held(sandbox);
    if (slot === null) return;
    const { number } = slot;
    if (governance === null) {
      await setIntercepted({ launcher }, number, { on: false, signal });
      await egress.forget(sandbox);
      return;
    }
    const isServed = (await egress.served()).includes(sandbox);
    await setIntercepted({ launcher }, number, { on: true, fresh: isServed, signal });
    await egress.serve(sandbox, { slot: number, ...governance, signal });
  };
  return {
    govern: (sandbox, governance, signal) => inTurn(sandbox, () => govern(sandbox, governance, signal)),
    async governAgain(wanted, othersAre) {
      const served = new Set(await egress.served());
      const work = [...wanted].filter(([sandbox]) => !served.has(sandbox));
      for (const sandbox of served) {
        if (wanted.has(sandbox)) continue;
        await inTurn(sandbox, async () => {
          const is = othersAre(sandbox);
          if (is === 'forget') await egress.forget(sandbox);
          else if (is === 'let out') await govern(sandbox, null);
        });
      }
      // One that cannot be served now hinders no other, and reaches nothing.
      const outcomes = await Promise.allSettled(
        work.map(([sandbox, governance]) => inTurn(sandbox, () => govern(sandbox, governance))),
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
