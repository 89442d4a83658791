const firstPauseMs = 5000;
const longestPauseMs = 600_000;

/**
 * Whether clones of a shape work. A shape whose clones fail is tried again after ever longer pauses, so that a snapshot
 * which cannot be restored does not keep the host busy.
 */
export interface Health {
  /** Failures since a clone was last handed out. */
  readonly failures: number;
  readonly problem: string | null;
  /** Null: at once. */
  readonly retryAtMs: number | null;
  failed(nowMs: number, problem: string): void;
  handedOut(): void;
}

export function createHealth(): Health {
  let failures = 0;
  let problem: string | null = null;
  let retryAtMs: number | null = null;
  return {
    get failures() {
      return failures;
    },
    get problem() {
      return problem;
    },
    get retryAtMs() {
      return retryAtMs;
    },
    failed(nowMs, what) {
      failures += 1;
      problem = what;
      // The exponent has a bound, so that the number stays finite.
      retryAtMs = nowMs + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 16));
    },
    handedOut() {
      failures = 0;
      problem = null;
      retryAtMs = null;
    },
  };
}
