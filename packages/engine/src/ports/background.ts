import { channel } from 'node:diagnostics_channel';

/** A failure of work that nobody waits for. */
export interface BackgroundFailure {
  /** The work that failed, such as "giving back a channel". */
  readonly what: string;
  readonly error: unknown;
}

const failures = channel('novasandbox.background');

/**
 * Runs work that nobody waits for. Its errors, whether thrown at once or later, do not end the process. Listeners
 * receive them, such as the daemon, which logs them.
 */
export function inBackground(what: string, work: () => unknown): void {
  new Promise((resolve) => resolve(work())).catch((error: unknown) => tellInBackground(what, error));
}

/** Reports a failure that there is no caller to throw to. */
export function tellInBackground(what: string, error: unknown): void {
  failures.publish({ what, error } satisfies BackgroundFailure);
}

/** Calls `listen` for each failure until the result is disposed. `listen` must not throw. */
export function onBackgroundFailure(listen: (failure: BackgroundFailure) => void): Disposable {
  const heard = (message: unknown): void => listen(message as BackgroundFailure);
  failures.subscribe(heard);
  return {
    [Symbol.dispose]() {
      failures.unsubscribe(heard);
    },
  };
}
