import { createHash } from 'node:crypto';
import type { Answer, Question } from '../ports/egress.ts';
import type { Target } from './policy/judge.ts';

/** How long a connection is held for an answer, ms: clients such as undici give up after 10 s, with TLS included. */
const holdMs = 8000;
/** Questions of one sandbox that may wait for an answer. */
const mostQuestions = 64;
/** How long a question that nobody has answered stands, ms. It may be asked again then. */
const standsMs = 3_600_000;
/** Answers of one sandbox that are kept; the oldest are dropped. */
const mostAnswers = 1024;

/** `unanswered`: not in time. `again`: the policy has changed. `full`: too many questions wait already. */
export type Outcome = 'allow' | 'deny' | 'unanswered' | 'again' | 'full';

/** The questions of a sandbox to people, about connections that its policy neither allows nor denies. */
export interface Questions {
  /** The id of the question about a target. It is the same in every process, so that an answer finds it again. */
  idOf(target: Target): string;
  /** Waits for the answer about a target: for some seconds, or until the client is gone. */
  ask(target: Target, gone: AbortSignal): Promise<Outcome>;
  /** The answer for the session about a target, where there is one. */
  known(target: Target): 'allow' | 'deny' | null;
  /** Those that wait for an answer. */
  pending(): readonly Question[];
  /** Puts answers in force. Those for a session replace all that were there. */
  answer(answers: readonly Answer[]): void;
  /** The policy has changed: whoever waits looks at it again. */
  changed(): void;
}

interface Waiting extends Question {
  readonly sinceMs: number;
  readonly settle: Set<(outcome: Outcome) => void>;
}

export function questionsOf(sandbox: string, asked: (question: Question) => void): Questions {
  const waiting = new Map<string, Waiting>();
  const answers = new Map<string, Answer>();
  const idOf = ({ host, address, port }: Target): string =>
    createHash('sha256')
      .update(JSON.stringify([sandbox, host ?? address, port]))
      .digest('hex')
      .slice(0, 32);
  const answerTo = (id: string): Answer | undefined => {
    const found = answers.get(id);
    if (found === undefined || found.untilMs === null || found.untilMs > Date.now()) return found;
    answers.delete(id);
    return undefined;
  };
  /** The answer, which is spent if it is for one connection alone. */
  const take = (id: string): Answer['action'] | undefined => {
    const found = answerTo(id);
    if (found?.once === true) answers.delete(id);
    return found?.action;
  };
  const settleAll = ({ settle }: Waiting, outcome: Outcome): void => {
    for (const each of settle) each(outcome);
  };
  const open = (id: string, { host, address, port }: Target): Waiting | null => {
    const found = waiting.get(id);
    if (found !== undefined && Date.now() - found.sinceMs < standsMs) return found;
    for (const [other, { sinceMs, settle }] of waiting)
      if (settle.size === 0 && Date.now() - sinceMs >= standsMs) waiting.delete(other);
    if (waiting.size >= mostQuestions) return null;
    const sinceMs = Date.now();
    const question: Question = {
      id,
      sandbox,
      host,
      address: host === null ? address : null,
      port,
      askedAt: new Date(sinceMs).toISOString(),
    };
    const entry: Waiting = { ...question, sinceMs, settle: new Set() };
    waiting.set(id, entry);
    asked(question);
    return entry;
  };
  return {
    idOf,
    async ask(target, gone) {
      const id = idOf(target);
      const known = take(id);
      if (known !== undefined) return known;
      const question = open(id, target);
      if (question === null) return 'full';
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const giveUp = (): void => resolve('unanswered');
      const timer = setTimeout(giveUp, holdMs);
      question.settle.add(resolve);
      gone.addEventListener('abort', giveUp, { once: true });
      if (gone.aborted) giveUp();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        question.settle.delete(resolve);
        gone.removeEventListener('abort', giveUp);
      }
    },
    known(target) {
      const found = answerTo(idOf(target));
      return found === undefined || found.once ? null : found.action;
    },
    pending: () => [...waiting.values()].map(({ sinceMs: _sinceMs, settle: _settle, ...question }) => question),
    answer(given) {
      for (const [id, { once }] of answers) if (!once) answers.delete(id);
      for (const each of given) answers.set(each.id, each);
      for (const id of answers.keys()) {
        if (answers.size <= mostAnswers) break;
        answers.delete(id);
      }
      for (const { id } of given) {
        const question = waiting.get(id);
        if (question === undefined) continue;
        waiting.delete(id);
        // Each connection takes the answer by itself, of which there may be one for a single connection.
        settleAll(question, 'again');
      }
    },
    changed() {
      const asked = [...waiting.values()];
      // What is still open is asked anew by those who wait.
      waiting.clear();
      for (const question of asked) settleAll(question, 'again');
    },
  };
}
