import { createInterface, type Interface } from 'node:readline/promises';
import { printableName } from '@novasandbox/protocol/visible';
import type { ApplyOptions, WorkspaceChange, WorkspaceDiff } from 'novasandbox';
import { showChange } from './show.ts';

/** The decisions of a review. */
export type Decisions = Required<Pick<ApplyOptions, 'reviewed' | 'hunks' | 'resolve'>> & {
  readonly allowFlagged: readonly string[];
};

const help = `y: apply this change
n: leave it alone
h: decide hunk by hunk
a: apply this and all that follow, but nothing that needs consent
q: leave this and all that follow alone
`;

/**
 * Shows one change after the other, and asks what becomes of it. Ctrl-D leaves the rest alone; null where the user
 * gives up with Ctrl-C.
 */
export async function review(diff: WorkspaceDiff, signal: AbortSignal): Promise<Decisions | null> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const givenUp = new AbortController();
  asking.once('SIGINT', () => givenUp.abort());
  try {
    return await new Review(asking, AbortSignal.any([signal, givenUp.signal])).decide(diff);
  } catch (error) {
    if (signal.aborted || givenUp.signal.aborted) return null;
    throw error;
  } finally {
    asking.close();
  }
}

class Review {
  readonly #asking: Interface;
  readonly #signal: AbortSignal;
  readonly #until: AbortSignal;
  readonly #ended = new AbortController();
  readonly #hunks: Record<string, readonly number[]> = {};
  readonly #resolve: Record<string, 'guest' | 'host'> = {};
  readonly #allowed: string[] = [];

  constructor(asking: Interface, signal: AbortSignal) {
    this.#asking = asking;
    this.#signal = signal;
    this.#until = AbortSignal.any([signal, this.#ended.signal]);
    // Ctrl-D, or input that ends, is no answer.
    asking.once('close', () => this.#ended.abort());
  }

  async decide(diff: WorkspaceDiff): Promise<Decisions> {
    const chosen: WorkspaceChange[] = [];
    let rest: 'asked' | 'all' | 'none' = 'asked';
    for (const change of diff.changes) {
      if (rest === 'none' || this.#ended.signal.aborted) break;
      const isPlain = change.conflict === null && change.refused === null && change.flags.length === 0;
      if (rest === 'all') {
        if (isPlain) chosen.push(change);
        continue;
      }
      process.stderr.write(`\n${showChange(change, { color: process.stderr.isTTY })}`);
      if (change.refused !== null) continue;
      const answer = change.conflict === null ? await this.#answer(change) : await this.#settle(change);
      if (answer === 'q') rest = 'none';
      else if (answer === 'a') rest = 'all';
      if (answer === 'y' || (answer === 'a' && isPlain)) chosen.push(change);
      else if (answer === 'h' && (await this.#chooseHunks(change))) chosen.push(change);
    }
    const reviewed = { ...diff, changes: chosen };
    return { reviewed, hunks: this.#hunks, resolve: this.#resolve, allowFlagged: this.#allowed };
  }

  async #answer(change: WorkspaceChange): Promise<string> {
    if (change.flags.length > 0) {
      const consent = await this.#ask(`Apply it to ${change.path}? Type "yes" in full if you have looked at it: `);
      if (consent !== 'yes') return consent === 'q' ? 'q' : 'n';
      this.#allowed.push(change.path);
      return 'y';
    }
    const letters = change.hunks.length > 1 ? 'ynhaq?' : 'ynaq?';
    return await this.#oneOf(`Apply it to ${change.path}?`, letters);
  }

  async #settle(change: WorkspaceChange): Promise<string> {
    const answer = await this.#oneOf(
      `${change.path} is a conflict. Take the [g]uest's version, keep the [h]ost's, or [n]either?`,
      'ghnq?',
    );
    if (answer === 'g' || answer === 'h') {
      this.#resolve[change.path] = answer === 'g' ? 'guest' : 'host';
      if (answer === 'g' && change.flags.length > 0) return await this.#answer(change);
      return 'y';
    }
    return answer;
  }

  async #chooseHunks(change: WorkspaceChange): Promise<boolean> {
    const chosen: number[] = [];
    for (const [at, hunk] of change.hunks.entries()) {
      const head = `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`;
      const patch = `${head}\n${hunk.lines.join('\n')}\n`;
      process.stderr.write(showChange({ ...change, patch, flags: [] }, { color: process.stderr.isTTY }));
      const answer = await this.#oneOf(`Apply hunk ${at + 1} of ${change.hunks.length}?`, 'ynq?');
      if (answer === 'q') break;
      if (answer === 'y') chosen.push(at);
    }
    this.#hunks[change.path] = chosen;
    return chosen.length > 0;
  }

  async #oneOf(question: string, letters: string): Promise<string> {
    for (;;) {
      const answer = (await this.#ask(`${question} [${letters.split('').join(',')}] `)).toLowerCase();
      if (answer === '?') process.stderr.write(help);
      else if (answer.length === 1 && letters.includes(answer)) return answer;
    }
  }

  async #ask(question: string): Promise<string> {
    try {
      return (await this.#asking.question(printableName(question), { signal: this.#until })).trim();
    } catch (error) {
      if (this.#ended.signal.aborted && !this.#signal.aborted) return 'q';
      throw error;
    }
  }
}
