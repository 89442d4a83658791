import { NovaError } from '@novasandbox/protocol';
import type { Guest } from '../guest.ts';

const mostMessage = 4096;

/**
 * Runs one of the guest's own programs for what the agent has no call for, as the user of the connection.
 * @throws NovaError `command_failed` with its message
 */
export async function runInGuest(
  { engine, sandboxId, user, gone }: Guest,
  argv: readonly [string, ...string[]],
): Promise<void> {
  await using attached = await engine.exec.start(sandboxId, { argv, user }, { signal: gone });
  let message = '';
  for await (const { bytes } of attached.output) {
    if (message.length < mostMessage) message += Buffer.from(bytes).toString();
  }
  const { exitCode } = await attached.exit;
  if (exitCode === 0) return;
  throw new NovaError('command_failed', message.trim().slice(0, mostMessage) || `${argv[0]} ended with ${exitCode}.`);
}
