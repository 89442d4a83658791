import { inBackground } from '@novasandbox/engine';
import { system } from '../authority/callers.ts';
import { seenBy, type ServerContext } from '../context.ts';
import { liveSandbox } from './find.ts';
import { traitsOf } from './labels.ts';
import { expire } from './life.ts';
import { endsAtMs } from './life-time.ts';

const lookEveryMs = 1000;

/**
 * Pauses sandboxes that asked for it when their time ends. One look a second over all of them: time limits change on many ways, and a daemon that
 * has been restarted needs no memory of its own. Each is paused for itself: one whose VMM does not answer would cost another its memory, whose guest powers itself off soon after.
 */
export function startAutoPause(server: ServerContext): Disposable {
  // Of its own accord, whosever they are.
  const context = seenBy(server, system);
  const { engine, log } = context;
  let looking = false;
  const pausing = new Set<string>();
  const pause = async (id: string): Promise<void> => {
    if (pausing.has(id)) return;
    pausing.add(id);
    try {
      // It may have been given more time since the list was made.
      const current = await liveSandbox(context, id);
      if ((endsAtMs(current) ?? Infinity) <= Date.now()) await expire(context, current);
    } catch (error) {
      log.warn({ operation: 'autoPause', vm: id, err: error }, 'a sandbox whose time has ended could not be paused');
    } finally {
      pausing.delete(id);
    }
  };
  const look = async (): Promise<void> => {
    for (const info of await engine.sandboxes.list()) {
      const ends = traitsOf(info.labels).autoPause && info.state === 'running' ? endsAtMs(info) : null;
      if (ends !== null && ends <= Date.now()) inBackground(`pausing ${info.id}`, () => pause(info.id));
    }
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => log.warn({ err: error }, 'sandboxes could not be looked through'))
      .finally(() => (looking = false));
  }, lookEveryMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
