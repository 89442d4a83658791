import { statfs } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { RouteContext } from '../daemon-context.ts';

export interface Check {
  readonly ok: boolean;
  readonly detail: string;
}

const leastFreeMb = 512;
const probeMs = 2000;

/** Checks the parts that the creation of VMs depends on. */
export async function checks(
  context: Pick<RouteContext, 'store' | 'quietEngine' | 'layout'>,
): Promise<Record<'store' | 'disk' | 'hypervisor', Check>> {
  return { store: store(context), disk: await disk(context), hypervisor: await hypervisor(context) };
}

function store({ store }: Pick<RouteContext, 'store'>): Check {
  try {
    store.check();
    return { ok: true, detail: 'answers' };
  } catch (error) {
    return { ok: false, detail: String(error) };
  }
}

async function disk({ layout }: Pick<RouteContext, 'layout'>): Promise<Check> {
  const { bavail, bsize } = await statfs(layout.home);
  const freeMb = Math.floor((bavail * bsize) / (1024 * 1024));
  return { ok: freeMb >= leastFreeMb, detail: `${freeMb} MB free` };
}

async function hypervisor({ quietEngine }: Pick<RouteContext, 'quietEngine'>): Promise<Check> {
  try {
    // The first probe boots a guest and takes long. A request does not wait for it, and does not cancel it for other
    // requests.
    const over = new AbortController();
    const late = delay(probeMs, null, { signal: over.signal }).catch(() => null);
    const reports = await Promise.race([quietEngine.hypervisors(), late]).finally(() => over.abort());
    if (reports === null) return { ok: false, detail: 'the hypervisors are being probed' };
    const usable = reports.find(({ features, probe }) => features.virtualMachine && probe.available);
    if (usable !== undefined) return { ok: true, detail: `${usable.name} (${usable.probe.accelerator})` };
    return { ok: false, detail: reports.map(({ probe }) => probe.reason).join('; ') };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
