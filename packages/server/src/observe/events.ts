import type { NovaEvent } from '@novasandbox/protocol/api';
import type { Events } from '../context.ts';

const kept = 2000;
/** What one slow reader may have waiting before it loses the oldest. */
const waiting = 1000;

export interface EventsOptions {
  /** Told of every event: the log, the metrics. */
  readonly onEvent?: (event: NovaEvent) => void;
}

export function createEvents({ onEvent }: EventsOptions = {}): Events {
  // Ids grow across restarts too, so that `since` means the same to a client that comes back.
  let nextId = Date.now() * 1000;
  const recent: NovaEvent[] = [];
  const readers = new Set<(event: NovaEvent) => void>();

  return {
    emit(type, vmId, data = {}) {
      const event: NovaEvent = { id: nextId++, time: new Date().toISOString(), type, vm_id: vmId, data: { ...data } };
      recent.push(event);
      if (recent.length > kept) recent.shift();
      onEvent?.(event);
      for (const reader of readers) reader(event);
    },
    subscribe({ vmId, since }, signal) {
      const wanted = (event: NovaEvent): boolean =>
        (vmId === undefined || event.vm_id === vmId) && (since === undefined || event.id > since);
      const queue = since === undefined ? [] : recent.filter(wanted);
      let wake: (() => void) | undefined;
      const reader = (event: NovaEvent): void => {
        if (!wanted(event)) return;
        queue.push(event);
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
            const event = queue.shift();
            if (event !== undefined) yield event;
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
