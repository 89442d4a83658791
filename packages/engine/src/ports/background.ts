import { channel } from 'node:diagnostics_channel';

/** Work that nobody waits for and that went wrong. */
export interface BackgroundFailure {
  /** The work that failed, such as "giving back a channel". */
  readonly what: string;
  readonly error: unknown;
}

const failures = channel('novasandbox.background');

/**
 * Runs work that nobody waits for. What it throws, at once or later, ends no process: it is told to those who listen, such as the daemon, which logs it.
 */
export function inBackground(what: string, work: () => unknown): void {
  new Promise((resolve) => resolve(work())).catch((error: unknown) => tellInBackground(what, error));
}

/** Tells of something that went wrong where there is nobody to throw it to. */
export function tellInBackground(what: string, error: unknown): void {
  failures.publish({ what, error } satisfies BackgroundFailure);
}

/** Has `listen` hear of failures until the result is disposed. It must not throw. */
export function onBackgroundFailure(listen: (failure: BackgroundFailure) => void): Disposable {
  const heard = (message: unknown): void => listen(message as BackgroundFailure);
  failures.subscribe(heard);
  return {
    [Symbol.dispose]() {
      failures.unsubscribe(heard);
    },
  };
}
