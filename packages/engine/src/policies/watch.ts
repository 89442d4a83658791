import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { NetworkEvent } from '../services.ts';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import type { Tiding } from '../ports/egress.ts';
import { toInfo } from '../sandbox/info.ts';
import { noteQuestions } from './approvals.ts';
import { toApproval } from './info.ts';

/** How often to look for an egress process where none runs, ms: each look is one at a file. */
const lookEveryMs = 1000;

/**
 * Follows what the egress process tells: records the questions, so that they outlive it, and tells `listen` of them and
 * of denials. Disposing ends it.
 */
export function watchEgress(context: EngineContext, listen: (event: NetworkEvent) => void): AsyncDisposable {
  const ending = new AbortController();
  const { signal } = ending;
  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        // Those that were asked before it could be followed.
        for (const id of await noteQuestions(context)) tellAsked(context, id, listen);
        for await (const tiding of context.network.tidings(signal)) takeIn(context, tiding, listen);
      } catch (error) {
        if (!signal.aborted) tellInBackground('following the egress process', error);
      }
      await delay(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  const watching = watch();
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await watching;
    },
  };
}

function takeIn(context: EngineContext, tiding: Tiding, listen: (event: NetworkEvent) => void): void {
  if (tiding.kind === 'asked') {
    context.store.noteQuestion(tiding.question);
    return tellAsked(context, tiding.question.id, listen);
  }
  const { counts, denials, more } = tiding;
  const about = infoOf(context, tiding.sandbox);
  if (about !== null) listen({ type: 'denied', about, counts, denials, more });
}

function tellAsked(context: EngineContext, id: string, listen: (event: NetworkEvent) => void): void {
  const approval = context.store.findApproval(id);
  const about = approval === null ? null : infoOf(context, approval.sandboxId);
  if (approval !== null && about !== null) listen({ type: 'asked', about, approval: toApproval(approval) });
}

/** Null: it has been removed meanwhile. */
function infoOf({ store }: EngineContext, id: string): SandboxInfo | null {
  const record = store.findSandbox(id);
  return record?.id === id ? toInfo(record) : null;
}
