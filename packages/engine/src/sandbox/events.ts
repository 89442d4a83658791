import { setTimeout as delay } from 'node:timers/promises';
import { happenedBetween, isOfKind, NovaError, type SandboxEvent, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallContext, EventFilter } from '../services.ts';
import { findSandbox } from './find.ts';
import { listSandboxes } from './observe.ts';

const lookEveryMs = 250;

/**
 * Yields the events of sandboxes, whichever process causes them. It polls the records, because the processes of a host
 * do not notify each other. A change that comes and goes between two polls is missed.
 */
export async function* watchEvents(
  context: EngineContext,
  { sandbox, types, since, follow = true }: EventFilter = {},
  { signal }: CallContext = {},
): AsyncGenerator<SandboxEvent, void, undefined> {
  if (since !== undefined || !follow) {
    throw new NovaError(
      'feature_unsupported',
      'Without a daemon nobody keeps events: only those from now on are told.',
      {
        hint: 'Run the daemon with `nova serve`: it keeps the newest events and tells of commands too.',
      },
    );
  }
  const only = sandbox === undefined ? undefined : (await findSandbox(context, sandbox)).id;
  const look = async (): Promise<Map<string, SandboxInfo>> => {
    const infos = await listSandboxes(context, { all: true });
    return new Map(infos.filter(({ id }) => only === undefined || id === only).map((info) => [info.id, info]));
  };
  // Ids grow from one process to the next, as a daemon's do.
  let nextId = Date.now() * 1000;
  let seen = await look();
  for (;;) {
    await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal?.aborted === true) return;
    const now = await look();
    for (const id of new Set([...seen.keys(), ...now.keys()])) {
      for (const { type, data } of happenedBetween(seen.get(id), now.get(id))) {
        if (types !== undefined && !isOfKind(type, types)) continue;
        yield { id: nextId++, time: new Date().toISOString(), type, sandboxId: id, data };
      }
    }
    seen = now;
    if (only !== undefined && !seen.has(only)) return;
  }
}
