import { NovaError } from '@novasandbox/protocol';

/** The error for a client whose command continues while the daemon restarts. */
export function restarting(): NovaError {
  return new NovaError('shutting_down', 'The daemon is restarting; the command waits for its client.', {
    hint: 'Attach to it again when the daemon is back.',
  });
}
