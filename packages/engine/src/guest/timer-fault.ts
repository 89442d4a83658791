import { isNovaError } from '@novasandbox/protocol';

/**
 * Linux prints this (arch/x86/kernel/apic/apic.c) when the host gave an emulated processor no time while the guest
 * measured its timer. The guest then waits for ticks that do not come.
 */
const timerFault = 'disabling apic timer';

/** Boots a guest, and once more if a busy host made it measure its timer wrong: the next boot measures anew. */
export async function bootTwiceOnTimerFault<T>(boot: () => Promise<T>): Promise<T> {
  try {
    return await boot();
  } catch (error) {
    if (!isNovaError(error, 'boot_timeout') || !error.message.includes(timerFault)) throw error;
    return await boot();
  }
}
