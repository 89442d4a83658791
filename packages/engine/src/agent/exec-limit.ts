import type { NovaError } from '@novasandbox/protocol';
import { overdue } from './errors.ts';

/** From its SIGTERM to its SIGKILL a command has so long (guest/agent/src/exec/end.rs), ms. */
const KILL_AFTER_MS = 2000;
/** After that the guest may be silent for so long while it is its turn, ms: it and the host may be busy. */
const SILENT_MS = 3000;
/** And for so long altogether, however often it says something meanwhile. */
const SILENT_ALTOGETHER_MS = 30_000;
/** The most output of an ended command that may still be in the guest: what it retains (guest/agent/src/exec/request.rs), its pipes, and frames under way. */
const MAX_AFTER_BYTES = 64 << 20;
/** Longest a timer of Node can wait. */
const MAX_TIMER_MS = 0x7fff_ffff;

/**
 * The time limit of a command as the host keeps it: the guest ends the command itself, and this is for one that does not. While output that has come is not
 * read it is not the guest's turn: it says that a command has ended behind all output.
 */
export class ExecLimit {
  readonly #limitMs: number;
  readonly #unread: () => boolean;
  readonly #fail: (error: NovaError) => void;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #turnSince: number | null = null;
  #silentMs = 0;
  #bytesAfter = 0;

  /** Begins to count. `fail` is called once at most. */
  constructor(limitMs: number, unread: () => boolean, fail: (error: NovaError) => void) {
    this.#limitMs = limitMs;
    this.#unread = unread;
    this.#fail = fail;
    const killedAfterMs = limitMs + KILL_AFTER_MS;
    if (killedAfterMs <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.#begin(), killedAfterMs);
  }

  /** Output has come. */
  heard(bytes: number): void {
    if (!this.#isOver) return;
    this.#bytesAfter += bytes;
    if (this.#turnSince !== null) this.#silentMs += performance.now() - this.#turnSince;
    this.#turnSince = null;
    clearTimeout(this.#timer);
    if (this.#bytesAfter > MAX_AFTER_BYTES) this.#end();
  }

  /** All that has come is read: it is the guest's turn. */
  read(): void {
    if (!this.#isOver || this.#turnSince !== null) return;
    this.#turnSince = performance.now();
    this.#timer = setTimeout(
      () => this.#end(),
      Math.max(0, Math.min(SILENT_MS, SILENT_ALTOGETHER_MS - this.#silentMs)),
    );
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#isOver = false;
  }

  #begin(): void {
    this.#isOver = true;
    if (!this.#unread()) this.read();
  }

  #end(): void {
    this.release();
    this.#fail(overdue(this.#limitMs));
  }
}
