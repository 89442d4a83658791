import { NovaError, sandboxInfoSchema, type SandboxInfo } from '@novasandbox/protocol';
import { z } from 'zod';

const madeSchema = z.object({ id: z.string() });

/**
 * The sandbox that the kept answer to a create tells of. What an earlier version kept may lack what is known of sandboxes today, but names the one that was
 * made: it is looked up then.
 *
 * @throws NovaError `idempotency_conflict` where that one has gone
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
