import type { ProgressEvent, ProgressSink } from '@novasandbox/protocol';
import { printable } from '@novasandbox/protocol/visible';

/** Steps that take less time than this get no line. */
const patienceMs = 1000;
const redrawMs = 100;
const plainRepeatMs = 10_000;
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const barWidth = 24;

/** The part of process.stderr that progress output needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress extends Disposable {
  readonly sink: ProgressSink;
}

/**
 * Shows long steps. On a terminal each running step has a line that is redrawn, with a bar if the fraction is known.
 * Elsewhere a line is printed when a step begins to take long, every ten seconds, and when it is done. Disposing clears
 * the lines.
 */
export function showProgress({ quiet = false, stream = process.stderr as ProgressStream } = {}): Progress {
  if (quiet) return { sink: () => undefined, [Symbol.dispose]: () => undefined };
  return stream.isTTY === true ? new TerminalProgress(stream) : new PlainProgress(stream);
}

class TerminalProgress implements Progress {
  readonly #stream: ProgressStream;
  readonly #running = new Map<string, { event: ProgressEvent; readonly since: number }>();
  #timer: NodeJS.Timeout | undefined;
  #frame = 0;
  /** Number of lines on the terminal; the cursor is at the end of the last one. */
  #drawn = 0;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  readonly sink: ProgressSink = (event) => {
    if (event.state === 'note') return this.#write(renderNote(event));
    const known = this.#running.get(event.step);
    if (event.state === 'start' || event.state === 'update') {
      this.#running.set(event.step, { event, since: known?.since ?? performance.now() - event.elapsedMs });
      this.#timer ??= setInterval(() => this.#draw(), redrawMs).unref();
      return;
    }
    this.#running.delete(event.step);
    const took = known === undefined ? event.elapsedMs : performance.now() - known.since;
    if (took >= patienceMs) {
      this.#write(`${event.state === 'done' ? '✓' : '✗'} ${describe(event)} (${seconds(took)})\n`);
    }
    if (this.#running.size === 0) this[Symbol.dispose]();
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#clear();
  }

  #draw(): void {
    const now = performance.now();
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
    this.#frame += 1;
    const lines = [...this.#running.values()]
      .filter(({ since }) => now - since >= patienceMs)
      .map(({ event, since }) => {
        const bar = event.fraction === undefined ? '' : ` ${renderBar(event.fraction)}`;
        const line = `${spinner[this.#frame % spinner.length]} ${describe(event)}${bar} ${seconds(now - since)}`;
        return `\r\x1b[2K${line.slice(0, width)}`;
      });
    if (lines.length === 0) return;
    this.#write(lines.join('\n'));
    this.#drawn = lines.length;
  }

  #clear(): void {
    if (this.#drawn > 0) this.#write('');
  }

  /** Replaces the lines with the text. */
  #write(text: string): void {
    const cleared = this.#drawn === 0 ? '' : `\r\x1b[2K${'\x1b[1A\x1b[2K'.repeat(this.#drawn - 1)}`;
    this.#drawn = 0;
    this.#stream.write(`${cleared}${text}`);
  }
}

class PlainProgress implements Progress {
  readonly #stream: ProgressStream;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #shown = new Map<string, { latest: ProgressEvent; since: number; told: boolean }>();

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  readonly sink: ProgressSink = (event) => {
    if (event.state === 'note') return void this.#stream.write(renderNote(event));
    const known = this.#shown.get(event.step);
    if (event.state === 'start' || event.state === 'update') {
      if (known !== undefined) known.latest = event;
      else this.#begin(event);
      return;
    }
    clearInterval(this.#timers.get(event.step));
    this.#timers.delete(event.step);
    this.#shown.delete(event.step);
    const took = known === undefined ? event.elapsedMs : performance.now() - known.since;
    if (took >= patienceMs) {
      this.#stream.write(`${event.state === 'done' ? 'done' : 'failed'}: ${describe(event)} (${seconds(took)})\n`);
    }
  };

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearInterval(timer);
    this.#timers.clear();
  }

  #begin(event: ProgressEvent): void {
    const state = { latest: event, since: performance.now() - event.elapsedMs, told: false };
    this.#shown.set(event.step, state);
    const tell = (): void => {
      const elapsed = performance.now() - state.since;
      const percent = state.latest.fraction === undefined ? '' : ` ${Math.round(state.latest.fraction * 100)} %`;
      this.#stream.write(`${describe(state.latest)}${percent}${state.told ? ` (${seconds(elapsed)})` : ' ...'}\n`);
      state.told = true;
    };
    const first = setTimeout(() => {
      tell();
      this.#timers.set(event.step, setInterval(tell, plainRepeatMs).unref());
    }, patienceMs).unref();
    this.#timers.set(event.step, first);
  }
}

const renderNote = (event: ProgressEvent): string => `nova: ${describe(event)}\n`;

function describe({ label, detail }: ProgressEvent): string {
  return printable(detail === undefined || detail === '' ? label : `${label}: ${detail}`).replaceAll('\n', ' ');
}

function renderBar(fraction: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * barWidth);
  return `[${'█'.repeat(full)}${'░'.repeat(barWidth - full)}] ${Math.round(fraction * 100)} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
