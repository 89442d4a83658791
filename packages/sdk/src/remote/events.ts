import { setTimeout as delay } from 'node:timers/promises';
import type { EventFilter } from '@novasandbox/engine/services';
import { isNovaError, NovaError, type SandboxEvent } from '@novasandbox/protocol';
import { eventOfWire, eventSchema } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';
import { isAborted } from './remote-error.ts';
import type { Query } from './route-path.ts';

/** How long to wait for a daemon that restarts, in ms. */
const restartMs = 60_000;
const retryMs = 500;

/**
 * Streams the daemon's events. When the daemon restarts, the stream continues with its successor. Event ids continue as
 * well, so no event is delivered twice.
 */
export async function* remoteEvents(
  http: HttpClient,
  { sandbox, types, since, follow = true }: EventFilter = {},
  signal: AbortSignal | undefined,
): AsyncGenerator<SandboxEvent, void, undefined> {
  let from: Query = since instanceof Date ? { since_time: since.toISOString() } : { since };
  let began = false;
  let lostAt: number | null = null;
  for (;;) {
    try {
      const query = { vm: sandbox, type: types, follow, ...from };
      const lines = await http.lines('streamEvents', {}, { query, signal });
      began = true;
      lostAt = null;
      for await (const line of lines) {
        const event = eventOfWire(eventSchema.parse(line));
        from = { since: event.id };
        yield event;
        if (sandbox !== undefined && event.type === 'vm.removed') return;
      }
      if (!follow || isAborted(signal)) return;
      throw new NovaError('server_unreachable', 'The daemon has ended.');
    } catch (error) {
      if (isAborted(signal)) return;
      lostAt ??= performance.now();
      const away = isNovaError(error, 'server_unreachable', 'shutting_down');
      if (!began || !away || performance.now() > lostAt + restartMs) throw error;
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
      if (isAborted(signal)) return;
    }
  }
}
