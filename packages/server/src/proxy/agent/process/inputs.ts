import type { AttachedProcess } from '@novasandbox/engine';
import type { Scope } from '../scope.ts';

/**
 * Chooses the connection that carries the input of a process. Input arrives in calls of its own, so it uses the
 * connection of the stream that started or follows the process. Where there is none, a connection is opened and kept
 * until the process ends.
 */
export interface Inputs {
  /** Offers a stream's connection until disposed. */
  offer(scope: Scope, process: AttachedProcess): Disposable;
  of(scope: Scope, execId: number): Promise<AttachedProcess>;
}

export function createInputs(): Inputs {
  const open = new Map<string, Promise<AttachedProcess>>();
  const keyOf = (scope: Scope, execId: number): string => `${scope.info.id} ${execId}`;

  const attach = async (scope: Scope, execId: number, key: string): Promise<AttachedProcess> => {
    const from = { stdout: null, stderr: null, stdin: true };
    const attached = await scope.context.engine.exec.attach(scope.info.id, execId, from);
    const drain = async (): Promise<void> => {
      // Unread output would make the process wait.
      for await (const _ of attached.output);
    };
    drain()
      .catch(() => undefined)
      .finally(() => open.delete(key));
    return attached;
  };

  return {
    offer(scope, process) {
      const key = keyOf(scope, process.execId);
      const mine = Promise.resolve(process);
      if (!open.has(key)) open.set(key, mine);
      return { [Symbol.dispose]: () => void (open.get(key) === mine && open.delete(key)) };
    },
    of(scope, execId) {
      const key = keyOf(scope, execId);
      const known = open.get(key);
      if (known !== undefined) return known;
      const opening = attach(scope, execId, key);
      open.set(key, opening);
      opening.catch(() => open.delete(key));
      return opening;
    },
  };
}
