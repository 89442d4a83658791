import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { inBackground } from '@novasandbox/engine';
import { everything, isOfKind } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import type { Logger } from 'pino';
import type { ServerConfig } from '../config/schema.ts';
import type { Events } from '../context.ts';

/** Requests that may be under way at once. Events that come meanwhile wait, the oldest of a thousand are dropped. */
const atOnce = 8;
/** How long the other side may take for its answer, ms. */
const answersWithinMs = 10_000;
/** The waits before an event is sent again that was not accepted, ms. */
const againAfterMs = [1000, 5000, 25_000] as const;

export interface WebhookParts {
  readonly config: ServerConfig;
  readonly events: Events;
  readonly log: Logger;
}

/**
 * Sends events to the address of the configuration, from now on. Each is sent until it is accepted (2xx), four times at
 * most, so that one may arrive twice; its `id` tells. Redirects are not followed. Disposing ends it; what has not been
 * accepted by then is not sent any more.
 */
export function startWebhook({ config, events, log }: WebhookParts): AsyncDisposable {
  const { webhook } = config.monitoring;
  if (webhook === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const { url, secret, events: kinds } = webhook;
  const ending = new AbortController();
  const { signal } = ending;
  const underWay = new Set<Promise<void>>();

  const post = async (event: NovaEvent, body: string): Promise<void> => {
    const signature = secret === undefined ? null : createHmac('sha256', secret).update(body).digest('hex');
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'nova-event': event.type,
        ...(signature === null ? {} : { 'nova-signature': `sha256=${signature}` }),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(answersWithinMs)]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`it answered with ${response.status}`);
  };
  const deliver = async (event: NovaEvent): Promise<void> => {
    const body = JSON.stringify(event);
    for (const waitMs of [...againAfterMs, null]) {
      try {
        return await post(event, body);
      } catch (error) {
        if (signal.aborted) return;
        if (waitMs === null) {
          log.warn({ operation: 'webhook', event: event.type, id: event.id, err: error }, 'an event was not accepted');
          return;
        }
        await delay(waitMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  const told = events.subscribe({ scope: everything }, signal);
  const run = async (): Promise<void> => {
    for await (const event of told) {
      if (!isOfKind(event.type, kinds)) continue;
      const delivery = deliver(event).finally(() => underWay.delete(delivery));
      underWay.add(delivery);
      if (underWay.size >= atOnce) await Promise.race(underWay);
    }
  };
  inBackground('sending events to the webhook', run);
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.allSettled(underWay);
    },
  };
}
