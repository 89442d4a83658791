import { write } from '../process/print-output.ts';

/** A line may be so long that it has to be printed before its end. */
const longestPiece = 65_536;

/** Prints whole lines with a prefix, so that those of several commands do not mix. */
export class NumberedLines {
  readonly #prefix: string;
  readonly #channel: 'stdout' | 'stderr';
  readonly #signal: AbortSignal;
  #rest = '';

  constructor(prefix: string, channel: 'stdout' | 'stderr', signal: AbortSignal) {
    this.#prefix = prefix;
    this.#channel = channel;
    this.#signal = signal;
  }

  async add(text: string): Promise<void> {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > longestPiece) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    await this.#print(lines);
  }

  /** Prints a last line that has no end. */
  async end(): Promise<void> {
    if (this.#rest !== '') await this.#print([this.#rest]);
    this.#rest = '';
  }

  async #print(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const text = lines.map((line) => `${this.#prefix}${line}\n`).join('');
    await write(this.#channel, Buffer.from(text), this.#signal);
  }
}
