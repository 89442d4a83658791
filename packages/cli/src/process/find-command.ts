import type { Engine, GuestProcess } from '@novasandbox/engine';
import { UsageError } from '../usage-error.ts';

/** Finds the command with that id, running or not, or the only running one. */
export async function findCommand(
  engine: Engine,
  ref: string,
  id: number | undefined,
  signal: AbortSignal,
): Promise<GuestProcess> {
  const commands = await engine.exec.list(ref, { signal });
  if (id !== undefined) return commands.find(({ execId }) => execId === id) ?? (await notFound(ref, id));
  const [first, ...others] = commands.filter(({ running }) => running);
  if (first === undefined) return notFound(ref);
  if (others.length > 0) {
    const ids = [first, ...others].map(({ execId }) => execId).join(', ');
    throw new UsageError(`Several commands run in ${ref}: name one of ${ids} ("nova ps ${ref}" lists them).`);
  }
  return first;
}

async function notFound(ref: string, id?: number): Promise<never> {
  const { NovaError } = await import('@novasandbox/protocol');
  const message = id === undefined ? `No command runs in ${ref}.` : `There is no command ${id} in ${ref}.`;
  throw new NovaError('process_not_found', message, {
    hint: `List the commands with \`nova ps --all ${ref}\`. The guest forgets a command ten minutes after its end.`,
  });
}
