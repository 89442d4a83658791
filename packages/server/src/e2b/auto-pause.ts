import { system } from '../authority/callers.ts';
import { seenBy, type ServerContext } from '../context.ts';
import { liveSandbox } from './find.ts';
import { traitsOf } from './labels.ts';
import { expire } from './life.ts';
import { endsAtMs } from './life-time.ts';

const lookEveryMs = 1000;

/**
 * Pauses sandboxes that asked for it when their time ends. One look a second over all of them: time limits change on many ways, and a daemon that
 * has been restarted needs no memory of its own.
 */
export function startAutoPause(server: ServerContext): Disposable {
  // Of its own accord, whosever they are.
  const context = seenBy(server, system);
  const { engine, log } = context;
  let looking = false;
  const look = async (): Promise<void> => {
    for (const info of await engine.sandboxes.list()) {
      const ends = traitsOf(info.labels).autoPause && info.state === 'running' ? endsAtMs(info) : null;
      if (ends === null || ends > Date.now()) continue;
      // It may have been given more time since the list was made.
      const current = await liveSandbox(context, info.id);
      if ((endsAtMs(current) ?? Infinity) <= Date.now()) await expire(context, current);
    }
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => log.warn({ err: error }, 'sandboxes whose time has ended could not be paused'))
      .finally(() => (looking = false));
  }, lookEveryMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
