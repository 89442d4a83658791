import { NovaError } from '@novasandbox/protocol';

/** How long commands wait in the guest for the daemon that follows, and clients look for it, ms. */
export const restartMs = 60_000;

/** What a client is told whose command goes on without this daemon. */
export function restarting(): NovaError {
  return new NovaError('shutting_down', 'The daemon is restarting; the command waits for its client.', {
    hint: 'Attach to it again when the daemon is back.',
  });
}
