import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { toNovaError } from '@novasandbox/protocol/errors';
import { queryForwarding } from '../dns/forward.ts';
import { nameResolution } from '../dns/resolve.ts';
import { hostResolver } from '../../network/resolver.ts';
import { surroundingsOf } from '../policy/addresses.ts';
import { upstreamTls } from '../tls/upstream.ts';
import { createHttpProxy } from '../proxy/http.ts';
import { createTidings } from '../tidings.ts';
import { makeBoxes } from './boxes.ts';
import { controlServer } from './control.ts';
import { startListenerSource } from './listeners.ts';
import { startedDescriptor } from './wire.ts';

/**
 * The process that decides what sandboxes reach. It starts as root, and gives that up before it serves anybody.
 *
 *     node main.js SOCKET USER PROGRAM
 *
 * SOCKET is its control socket; USER the number of the user that it becomes, or `-` to stay as it is; PROGRAM opens
 * listeners. `NOVA_EXTRA_CA` names a file with authorities that servers may have their certificates from, beside those
 * that the host trusts.
 */
const [, , socket = '', user = '', program = ''] = process.argv;

/** How long it stays without a sandbox, ms. */
const idleMs = 60_000;

function say(line: unknown): void {
  writeFileSync(startedDescriptor, `${JSON.stringify(line)}\n`);
  closeSync(startedDescriptor);
}

async function main(): Promise<void> {
  // Files and sockets are for their owner alone.
  process.umask(0o177);
  const source = await startListenerSource(program);
  const { NOVA_EXTRA_CA: extra = '' } = process.env;
  const tidings = createTidings();
  const outside = {
    resolution: nameResolution(),
    surroundings: surroundingsOf(),
    queries: queryForwarding(hostResolver),
    tidings,
    tls: upstreamTls(extra === '' ? [] : [readFileSync(extra, 'utf8')]),
  };
  const boxes = makeBoxes(source, createHttpProxy(), outside);
  let idle: NodeJS.Timeout | undefined;
  const look = (): void => {
    clearTimeout(idle);
    if (boxes.ids().length === 0) idle = setTimeout(() => process.exit(0), idleMs);
  };
  const control = controlServer(boxes, tidings, look);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  control.once('error', reject).listen(socket, resolve);
  await promise;
  // Node writes it when a process ends, and this one mostly is ended by a signal. With it the compiler of TypeScript is
  // not loaded in a checkout, which takes 20 MB.
  flushCompileCache();
  if (user !== '-') become(Number(user));
  // Without it no other sandbox can be served. The next process that is started serves them all anew.
  source.ended.then(
    () => process.exit(1),
    () => undefined,
  );
  look();
}

/** Becomes another user, who has no capabilities. There is no way back. */
function become(id: number): void {
  process.setgroups?.([]);
  process.setgid?.(id);
  process.setuid?.(id);
}

try {
  await main();
  say({ ready: true });
} catch (error) {
  const { code, message, hint } = toNovaError(error);
  say({ error: { code, message, hint } });
  process.exit(1);
}
