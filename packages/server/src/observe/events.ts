import { within } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import type { Events, Subject } from '../context.ts';

const kept = 2000;
/** What one slow reader may have waiting before it loses the oldest. */
const waiting = 1000;

export interface EventsOptions {
  /** Told of every event: the log, the metrics. */
  readonly onEvent?: (event: NovaEvent) => void;
}

interface Told {
  readonly event: NovaEvent;
  readonly about: Subject | null;
}

export function createEvents({ onEvent }: EventsOptions = {}): Events {
  // Ids grow across restarts too, so that `since` means the same to a client that comes back.
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
    subscribe({ scope, vmId, since }, signal) {
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
      // From the call on, not from the first read.
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
