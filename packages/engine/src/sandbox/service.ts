import type { EngineContext } from '../context.ts';
import type { SandboxService } from '../services.ts';
import { changePolicy, readDecisions } from './change-policy.ts';
import { startSandbox } from './create.ts';
import { addDrive, removeDrive } from './drives.ts';
import { connectToAgent, findSandbox } from './find.ts';
import { hibernateSandbox } from './hibernate.ts';
import { toInfo } from './info.ts';
import { addNetwork, removeNetwork } from './network-hotplug.ts';
import { createSandbox } from './new.ts';
import { listSandboxes, sandboxExited, sandboxLogs, sandboxStats, setSandboxTimeout } from './observe.ts';
import { pauseSandbox, resumeSandbox } from './pause.ts';
import { renameSandbox } from './rename.ts';
import { resizeSandbox } from './resize.ts';
import { listSecrets, removeSecret, setSecret } from './secrets.ts';
import { removeSandbox, stopSandbox } from './stop.ts';

/** The life of sandboxes; each verb is a file beside this one. */
export function createSandboxService(context: EngineContext): SandboxService {
  return {
    create: (config, call) => createSandbox(context, config, call),
    get: async (ref, scope) => toInfo(await findSandbox(context, ref, scope)),
    config: async (ref) => (await findSandbox(context, ref)).config,
    list: (filter, scope) => listSandboxes(context, filter, scope),
    start: (ref, call) => startSandbox(context, ref, call),
    stop: (ref, options) => stopSandbox(context, ref, options),
    pause: (ref) => pauseSandbox(context, ref),
    resume: (ref, call) => resumeSandbox(context, ref, call),
    hibernate: (ref, how, call) => hibernateSandbox(context, ref, how, call),
    remove: (ref, options) => removeSandbox(context, ref, options),
    stats: (ref) => sandboxStats(context, ref),
    setTimeout: (ref, timeoutMs) => setSandboxTimeout(context, ref, timeoutMs),
    rename: (ref, name) => renameSandbox(context, ref, name),
    logs: (ref, options) => sandboxLogs(context, ref, options?.bytes),
    guestInfo: async (ref, call) => (await connectToAgent(context, ref, call?.signal)).agent.info(call),
    resize: (ref, to, call) => resizeSandbox(context, ref, to, call),
    addDrive: (ref, drive, call) => addDrive(context, ref, drive, call),
    removeDrive: (ref, name, call) => removeDrive(context, ref, name, call),
    addNetwork: (ref, call) => addNetwork(context, ref, call),
    removeNetwork: (ref, call) => removeNetwork(context, ref, call),
    setPolicy: (ref, policy, call) => changePolicy(context, ref, policy, call),
    secrets: (ref) => listSecrets(context, ref),
    setSecret: (ref, name, settings, call) => setSecret(context, ref, name, settings, call),
    removeSecret: (ref, name, call) => removeSecret(context, ref, name, call),
    decisions: (ref, options) => readDecisions(context, ref, options),
    exited: (ref, call) => sandboxExited(context, ref, call),
  };
}
