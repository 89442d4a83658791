import { within } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import type { Events, Subject } from '../context.ts';

const kept = 2000;
/** Events that may wait for one slow reader; beyond that its oldest events are dropped. */
const waiting = 1000;

export interface EventsOptions {
  /** Called with every event, for the log and the metrics. */
  readonly onEvent?: (event: NovaEvent) => void;
}

interface Told {
  readonly event: NovaEvent;
  readonly about: Subject | null;
}

export function createEvents({ onEvent }: EventsOptions = {}): Events {
  // Ids keep growing across restarts, so that `since` stays valid for a client that reconnects.
  let nextId = Date.now() * 1000;
  const recent: Told[] = [];
  const readers = new Set<(told: Told) => void>();

  return {
    emit(type, about, data = {}) {
      const vm_id = about?.id ?? null;
      const event: NovaEvent = { id: nextId++, time: new Date().toISOString(), type, vm_id, data: { ...data } };
      const told = { event, about };
      recent.push(told);
      if (recent.length > kept) recent.shift();
      onEvent?.(event);
      for (const reader of readers) reader(told);
    },
    subscribe({ scope, vmId, since, follow = true }, signal) {
      const wanted = ({ event, about }: Told): boolean =>
        (about === null || within(scope, about)) &&
        (vmId === undefined || event.vm_id === vmId) &&
        (since === undefined || event.id > since);
      const queue = since === undefined ? [] : recent.filter(wanted);
      let wake: (() => void) | undefined;
      const reader = (told: Told): void => {
        if (!wanted(told)) return;
        queue.push(told);
        if (queue.length > waiting) queue.shift();
        wake?.();
      };
      // The subscription begins with the call, not with the first read.
      readers.add(reader);
      const end = (): void => {
        readers.delete(reader);
        wake?.();
      };
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
      return (async function* () {
        try {
          while (!signal.aborted) {
            const told = queue.shift();
            if (told !== undefined) yield told.event;
            else if (!follow) return;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
          }
        } finally {
          readers.delete(reader);
          signal.removeEventListener('abort', end);
        }
      })();
    },
  };
}
