import { NovaError, sandboxInfoSchema, type SandboxInfo } from '@novasandbox/protocol';
import { z } from 'zod';

const madeSchema = z.object({ id: z.string() });

/**
 * Reads the sandbox from the stored answer to a create. An answer that an earlier version stored may lack fields; then
 * the sandbox that it names is looked up.
 *
 * @throws NovaError `idempotency_conflict` when that sandbox no longer exists
 */
export async function sandboxOfAnswer(
  body: string,
  find: (id: string) => Promise<SandboxInfo | null>,
): Promise<SandboxInfo> {
  const kept: unknown = JSON.parse(body);
  const whole = sandboxInfoSchema.safeParse(kept);
  if (whole.success) return whole.data;
  const made = madeSchema.safeParse(kept);
  const found = made.success ? await find(made.data.id) : null;
  if (found !== null) return found;
  throw new NovaError('idempotency_conflict', 'An earlier version made this sandbox, and it is gone.');
}
