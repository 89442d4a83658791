import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { pino } from 'pino';
import { serverConfigSchema } from '../config/schema.ts';
import { createEvents } from './events.ts';
import { startWebhook } from './webhook.ts';

interface Received {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** A receiver that answers with these statuses, one after the other, and with 204 from then on. */
async function receiver(...statuses: number[]) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      received.push({ headers: request.headers, body: await text(request) });
      const status = statuses.shift() ?? 204;
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
      server.emit('received');
    };
    answer().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    async until(count: number): Promise<void> {
      while (received.length < count) await once(server, 'received');
    },
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const about = { id: 'box', owner: null, team: null };
const log = pino({ level: 'silent' });

test('events of the kinds that are wanted are sent, signed, until they are accepted', async () => {
  using hook = await receiver(500, 302);
  const secret = 'a secret that both sides know';
  const config = serverConfigSchema.parse({ monitoring: { webhook: { url: hook.url, secret } } });
  const events = createEvents();
  await using _webhook = startWebhook({ config, events, log });
  events.emit('network.denied', about, { code: 'not_allowed' });
  events.emit('network.approval_needed', about, { approval: 'x' });
  await hook.until(3);
  // A redirect is not followed, and is no acceptance.
  const [first, ...others] = hook.received;
  assert.deepEqual(
    others.map(({ body }) => body),
    [first?.body, first?.body],
  );
  const { type, vm_id: vm, data } = JSON.parse(first?.body ?? '') as Record<string, unknown>;
  assert.deepEqual([type, vm, data], ['network.approval_needed', 'box', { approval: 'x' }]);
  const signature = createHmac('sha256', secret)
    .update(first?.body ?? '')
    .digest('hex');
  assert.equal(first?.headers['nova-signature'], `sha256=${signature}`);
  assert.equal(first.headers['nova-event'], 'network.approval_needed');
});

test('without an address nothing is sent, and one that is not there keeps nobody', async () => {
  await using _none = startWebhook({ config: serverConfigSchema.parse({}), events: createEvents(), log });
  const webhook = { url: 'http://127.0.0.1:1/', events: ['network'] };
  const events = createEvents();
  await using _gone = startWebhook({ config: serverConfigSchema.parse({ monitoring: { webhook } }), events, log });
  events.emit('network.denied', about);
  // Disposing does not wait for the next attempt.
});
