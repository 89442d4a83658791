import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { inBackground } from '../ports/background.ts';
import type { OpenedSession, OpenOptions } from '../ports/guest-links.ts';
import type { Machine, VmmDriver } from '../ports/vmm-driver.ts';
import { quote } from '../vmm/launcher.ts';
import { consoleLog, fileTail, vmmLog } from '../vmm/logs.ts';

const endSeenWithinMs = 500;

/**
 * Opens the first session with a guest that `driver` has started. Fails as soon as the VMM ends, or at the time limit,
 * and quotes the end of the console. Where the console is empty, the error says that the guest hangs, and how it was
 * started.
 */
export async function firstAnswer(
  context: Pick<EngineContext, 'links'>,
  driver: Pick<VmmDriver, 'name' | 'probe'>,
  machine: Machine,
  options: OpenOptions,
): Promise<OpenedSession> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort('timeout'), options.timeoutMs);
  let ended = false;
  inBackground('watching a guest that boots', async () => {
    await machine.exited;
    ended = true;
    over.abort('ended');
  });
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal]);
  try {
    return await context.links.open(machine, { ...options, signal });
  } catch (error) {
    throwIfAborted(options.signal, 'while the guest was booting');
    // A VMM that ends closes its sockets before its end is visible.
    await Promise.race([machine.exited, delay(endSeenWithinMs)]);
    const last = await lastWords(machine.record.directory);
    if (ended) throw new NovaError('boot_failed', `The guest ended while it was booting. ${last}`, { cause: error });
    if (over.signal.aborted) {
      const why = (await isSilent(machine))
        ? `The guest wrote nothing to its console within ${options.timeoutMs} ms: it hangs before its kernel's first line. ${await howStarted(driver, machine)}`
        : `The guest did not answer within ${options.timeoutMs} ms.`;
      throw new NovaError('boot_timeout', `${why} ${last}`.trim(), { cause: error });
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

const isSilent = async ({ record }: Machine): Promise<boolean> =>
  (await fileTail(join(record.directory, consoleLog), 1)) === '';

/** Names the VMM with its version and its command line, to help find out why a guest hangs. */
async function howStarted(driver: Pick<VmmDriver, 'name' | 'probe'>, { record }: Machine): Promise<string> {
  const { version, accelerator } = await driver.probe();
  const command = await readFile(`/proc/${record.pid}/cmdline`, 'utf8').catch(() => '');
  const words = command.split('\0').filter((word) => word !== '');
  return `Tried: ${driver.name} ${version} (${accelerator})${words.length === 0 ? '.' : `, started as: ${words.map(quote).join(' ')}`}`;
}
