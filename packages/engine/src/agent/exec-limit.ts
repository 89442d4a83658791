import type { NovaError } from '@novasandbox/protocol';
import { overdue } from './errors.ts';

/** The time between SIGTERM and SIGKILL of a command (guest/agent/src/exec/end.rs), in ms. */
const KILL_AFTER_MS = 2000;
/** How long the guest may then stay silent while it is its turn, in ms. The guest and the host may be busy. */
const SILENT_MS = 3000;
/** How long the guest may take altogether, however often it sends something meanwhile, in ms. */
const SILENT_ALTOGETHER_MS = 30_000;
/**
 * The most output of an ended command that may still be in the guest: its retained output
 * (guest/agent/src/exec/request.rs), the pipes, and frames in transit.
 */
const MAX_AFTER_BYTES = 64 << 20;
/** The longest time that a timer of Node can wait. */
const MAX_TIMER_MS = 0x7fff_ffff;

/**
 * Enforces the time limit of a command on the host. The guest normally ends the command itself; this handles a guest
 * that does not. While the caller has unread output, the guest's silence does not count, because the guest reports the
 * end after all output.
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

  /** Starts the clock. `fail` is called at most once. */
  constructor(limitMs: number, unread: () => boolean, fail: (error: NovaError) => void) {
    this.#limitMs = limitMs;
    this.#unread = unread;
    this.#fail = fail;
    const killedAfterMs = limitMs + KILL_AFTER_MS;
    if (killedAfterMs <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.#begin(), killedAfterMs);
  }

  /** Notes that output has arrived. */
  heard(bytes: number): void {
    if (!this.#isOver) return;
    this.#bytesAfter += bytes;
    if (this.#turnSince !== null) this.#silentMs += performance.now() - this.#turnSince;
    this.#turnSince = null;
    clearTimeout(this.#timer);
    if (this.#bytesAfter > MAX_AFTER_BYTES) this.#end();
  }

  /** Notes that the caller has read all output, so that it is the guest's turn. */
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
