import type { EngineContext } from '../context.ts';
import type { SandboxService } from '../services.ts';
import { createSandbox, startSandbox } from './create.ts';
import { addDrive, removeDrive } from './drives.ts';
import { found, linked } from './find.ts';
import { toInfo } from './info.ts';
import { addNetwork, removeNetwork } from './network-hotplug.ts';
import { listSandboxes, sandboxExited, sandboxLogs, sandboxStats, setSandboxTimeout } from './observe.ts';
import { pauseSandbox, resumeSandbox } from './pause.ts';
import { resizeSandbox } from './resize.ts';
import { removeSandbox, stopSandbox } from './stop.ts';

/** The life of sandboxes; each verb is a file beside this one. */
export function createSandboxService(context: EngineContext): SandboxService {
  return {
    create: (config, call) => createSandbox(context, config, call),
    get: async (ref, scope) => toInfo(await found(context, ref, scope)),
    config: async (ref) => (await found(context, ref)).config,
    list: (filter, scope) => listSandboxes(context, filter, scope),
    start: async (ref, call) => startSandbox(context, await found(context, ref), call),
    stop: (ref, options) => stopSandbox(context, ref, options),
    pause: (ref) => pauseSandbox(context, ref),
    resume: (ref) => resumeSandbox(context, ref),
    remove: (ref, options) => removeSandbox(context, ref, options),
    stats: (ref) => sandboxStats(context, ref),
    setTimeout: (ref, timeoutMs) => setSandboxTimeout(context, ref, timeoutMs),
    logs: (ref, options) => sandboxLogs(context, ref, options?.bytes),
    guestInfo: async (ref, call) => (await linked(context, ref, call?.signal)).agent.info(call),
    resize: (ref, to, call) => resizeSandbox(context, ref, to, call),
    addDrive: (ref, drive, call) => addDrive(context, ref, drive, call),
    removeDrive: (ref, name, call) => removeDrive(context, ref, name, call),
    addNetwork: (ref, call) => addNetwork(context, ref, call),
    removeNetwork: (ref, call) => removeNetwork(context, ref, call),
    exited: (ref, call) => sandboxExited(context, ref, call),
  };
}
