import { Readable } from 'node:stream';
import { isOfKind, type EventKind } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import type { StreamAnswer } from './answer.ts';
import { keepaliveMs, within } from './within.ts';

export interface WhichEvents {
  readonly kinds: readonly EventKind[] | undefined;
  readonly sinceTime: string | undefined;
  /** The one sandbox that the events are about: the stream ends when it is removed. */
  readonly vmId: string | undefined;
}

/** Answers with events as lines of JSON, or as Server-Sent Events where the client asks for them. */
export function eventsAnswer(
  events: AsyncIterable<NovaEvent>,
  which: WhichEvents,
  accept: string | undefined,
): StreamAnswer {
  const asEvents = accept?.includes('text/event-stream') === true;
  const form = asEvents
    ? { type: 'text/event-stream', alive: ': alive\n\n', event: sentEvent }
    : { type: 'application/x-ndjson', alive: '\n', event: (event: NovaEvent) => `${JSON.stringify(event)}\n` };
  return {
    headers: { 'content-type': `${form.type}; charset=utf-8`, 'x-accel-buffering': 'no' },
    body: Readable.from(lines(events, which, form)),
  };
}

const sentEvent = (event: NovaEvent): string =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

async function* lines(
  events: AsyncIterable<NovaEvent>,
  { kinds, sinceTime, vmId }: WhichEvents,
  form: { readonly alive: string; readonly event: (event: NovaEvent) => string },
): AsyncGenerator<string> {
  const from = sinceTime === undefined ? 0 : Date.parse(sinceTime);
  const iterator = events[Symbol.asyncIterator]();
  // Sent at once, so that the client knows that the stream is open.
  yield form.alive;
  let next = iterator.next();
  for (;;) {
    const step = await within(next, keepaliveMs);
    if (step === null) {
      yield form.alive;
      continue;
    }
    if (step.done === true) return;
    const event = step.value;
    if (Date.parse(event.time) >= from && (kinds === undefined || isOfKind(event.type, kinds))) yield form.event(event);
    if (vmId !== undefined && event.type === 'vm.removed') return;
    next = iterator.next();
  }
}
