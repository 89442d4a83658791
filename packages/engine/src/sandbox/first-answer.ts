import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { consoleLog, fileTail, vmmLog } from '../vmm/logs.ts';
import type { OpenOptions } from './links.ts';

const endSeenWithinMs = 500;

/** The first session with a guest that is coming up. Fails as soon as the VMM ends, or at the time limit, with the console's last words. */
export async function firstAnswer(
  context: Pick<EngineContext, 'links'>,
  machine: Machine,
  options: OpenOptions,
): Promise<{ readonly agent: GuestAgent; readonly channel: number }> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort('timeout'), options.timeoutMs);
  let ended = false;
  void machine.exited.then(() => {
    ended = true;
    over.abort('ended');
  });
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal]);
  try {
    return await context.links.open(machine, { ...options, signal });
  } catch (error) {
    throwIfAborted(options.signal, 'while the guest was booting');
    // A VMM that ends closes its sockets before its end is seen.
    await Promise.race([machine.exited, delay(endSeenWithinMs)]);
    const last = await lastWords(machine.record.directory);
    if (ended) throw new NovaError('boot_failed', `The guest ended while it was booting. ${last}`, { cause: error });
    if (over.signal.aborted) {
      throw new NovaError('boot_timeout', `The guest did not answer within ${options.timeoutMs} ms. ${last}`, {
        cause: error,
      });
    }
    if (isNovaError(error, 'guest_unreachable')) {
      throw new NovaError(
        'boot_failed',
        `The channel to the guest was lost while it was booting: ${error.message} ${last}`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function lastWords(directory: string): Promise<string> {
  const console = (await fileTail(join(directory, consoleLog), 1500)).trim();
  const vmm = (await fileTail(join(directory, vmmLog), 500)).trim();
  return [console === '' ? '' : `Console: ${console}`, vmm === '' ? '' : `VMM: ${vmm}`]
    .filter((part) => part !== '')
    .join('\n');
}
