import { eventsAnswer } from '../streams/events.ts';
import type { StreamHandlers } from './call.ts';

/** Streams events. */
export function eventStreams(): Pick<StreamHandlers, 'streamEvents'> {
  return {
    async streamEvents({ engine, events, query, signal, leaving, request }) {
      const { since, since_time: sinceTime, vm, type, follow } = query;
      const vmId = vm === undefined ? undefined : (await engine.sandboxes.get(vm)).id;
      // Without `since` and `since_time`, a request with `follow` gets only new events, and any other gets all kept
      // events.
      const known = since ?? (sinceTime === undefined && follow ? undefined : 0);
      const kinds = typeof type === 'string' ? [type] : type;
      const told = events({ vmId, since: known, follow }, AbortSignal.any([signal, leaving]));
      return eventsAnswer(told, { kinds, sinceTime, vmId }, request.headers.accept);
    },
  };
}
