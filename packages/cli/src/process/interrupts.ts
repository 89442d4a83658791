import { brokenPipeExitCode } from '../exit-codes.ts';
import { tellOutputFailed } from '../output-failed.ts';

const sigint = 2;
const sigpipe = 13;
const sigterm = 15;
/** Signals that end us at once, with their numbers, to which shells add 128. */
const ending = { SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3 } as const;

/**
 * Requests from outside to end. The first Ctrl-C goes to the command, if there is one. The second, any other ending
 * signal, or a reader that closes stdout makes us give up and clean up. A third Ctrl-C exits at once, whatever is left
 * behind.
 */
export class Interrupts implements Disposable {
  /** Aborts when it is time to give up. */
  readonly signal: AbortSignal;
  /** The signal that the command gets first: the same one that we have received. */
  lastSignal = sigterm;
  /** Sends a signal to the command. Set while a command runs that does not read Ctrl-C as a byte. */
  forward: ((signal: number) => void) | undefined;
  readonly #abort = new AbortController();
  readonly #listeners: readonly (readonly [NodeJS.Signals, () => void])[];
  #interrupts = 0;
  #exitCode = 1;
  readonly #outputFailed = (error: Error): void => {
    const exitCode = tellOutputFailed(error);
    if (exitCode === brokenPipeExitCode && !this.signal.aborted) this.lastSignal = sigpipe;
    this.#giveUp(exitCode);
  };

  constructor() {
    this.signal = this.#abort.signal;
    this.#listeners = [
      ['SIGINT', () => this.#interrupt()],
      ...Object.entries(ending).map(
        ([name, number]) => [name as NodeJS.Signals, () => this.#giveUp(128 + number)] as const,
      ),
    ];
    for (const [name, listener] of this.#listeners) process.on(name, listener);
    process.stdout.on('error', this.#outputFailed);
    process.stderr.on('error', this.#outputFailed);
  }

  /** The exit code after giving up. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Whether an end was requested, even if only of the command. */
  get asked(): boolean {
    return this.#interrupts > 0 || this.signal.aborted;
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
    process.stdout.off('error', this.#outputFailed);
    process.stderr.off('error', this.#outputFailed);
  }

  #interrupt(): void {
    this.#interrupts += 1;
    if (this.#interrupts > 2) process.exit(128 + sigint);
    if (this.#interrupts === 1 && this.forward !== undefined) this.forward(sigint);
    else this.#giveUp(128 + sigint);
  }

  #giveUp(exitCode: number): void {
    if (this.signal.aborted) return;
    this.#exitCode = exitCode;
    this.#abort.abort();
  }
}
