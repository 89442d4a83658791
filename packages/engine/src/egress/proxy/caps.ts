import type { PolicyLimits } from '@novasandbox/protocol';

/** Counts what a sandbox uses, against the limits of its policy. */
export interface Caps {
  /** Takes the place of a new connection; false where there is none. The caller gives it back. */
  enter(): boolean;
  leave(): void;
  /**
   * Counts bytes that were passed on. Gives how long to wait before more are, ms; null: its last byte is used up.
   */
  count(bytes: number): number | null;
  /** Whether all its bytes are used up. */
  isUsedUp(): boolean;
  /** Puts other limits in force. */
  change(limits: PolicyLimits): void;
}

/** A burst of bytes may be as large as this much time allows, s; shorter ones would make a stream stutter. */
const burstSeconds = 0.1;

/** A bucket that fills with time and may run a debt. */
class Bucket {
  readonly #perSecond: number;
  readonly #most: number;
  #filled: number;
  #atMs = performance.now();

  constructor(perSecond: number, most: number) {
    this.#perSecond = perSecond;
    this.#most = most;
    this.#filled = most;
  }

  /** Takes so much and gives what is left, which may be less than nothing. */
  take(amount: number): number {
    const nowMs = performance.now();
    this.#filled = Math.min(this.#most, this.#filled + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    return (this.#filled -= amount);
  }

  /** Time until a debt is paid, ms. */
  paidAfterMs(left: number): number {
    return left >= 0 ? 0 : Math.ceil((-left / this.#perSecond) * 1000);
  }
}

export function capsOf(first: PolicyLimits): Caps {
  let limits = first;
  let open = 0;
  let bytes = 0;
  let opened = bucketOfOpened(limits);
  let passed = bucketOfBytes(limits);
  const isUsedUp = (): boolean => limits.bytes !== undefined && bytes >= limits.bytes;
  return {
    enter() {
      if (open >= limits.connections || isUsedUp() || opened.take(0) < 1) return false;
      opened.take(1);
      open += 1;
      return true;
    },
    leave() {
      open -= 1;
    },
    count(more) {
      bytes += more;
      if (isUsedUp()) return null;
      return passed === null ? 0 : passed.paidAfterMs(passed.take(more));
    },
    isUsedUp,
    change(next) {
      limits = next;
      bytes = 0;
      opened = bucketOfOpened(limits);
      passed = bucketOfBytes(limits);
    },
  };
}

const bucketOfOpened = ({ newConnectionsPerSecond: rate }: PolicyLimits): Bucket => new Bucket(rate, rate);
const bucketOfBytes = ({ bytesPerSecond: rate }: PolicyLimits): Bucket | null =>
  rate === undefined ? null : new Bucket(rate, rate * burstSeconds);
