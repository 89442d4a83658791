import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';
import { liveSandbox } from './find.ts';
import { traitsOf } from './labels.ts';
import { endsAtMs, engineTimeoutMs } from './life-time.ts';

const defaultTimeoutSeconds = 300;

/** Sets the time to live from now; 0 ends it now. */
export async function setTimeoutOf(context: CallerContext, id: string, seconds: number): Promise<void> {
  const info = await liveSandbox(context, id);
  if (seconds === 0) await expire(context, info);
  else await give(context, info, seconds);
}

/** What the end of its time means for a sandbox. */
export async function expire({ engine }: CallerContext, info: SandboxInfo): Promise<void> {
  if (!traitsOf(info.labels).autoPause) await engine.sandboxes.remove(info.id, { force: true });
  else if (info.state === 'running') await engine.sandboxes.pause(info.id);
}

export async function pause(context: CallerContext, id: string): Promise<void> {
  const info = await liveSandbox(context, id);
  if (info.state === 'paused') throw new NovaError('conflict', `Sandbox "${id}" is already paused`);
  await context.engine.sandboxes.pause(id);
}

export interface Connected {
  readonly info: SandboxInfo;
  readonly resumed: boolean;
}

/** Makes sure that it runs, and that it does so for at least that long. */
export async function connect(context: CallerContext, id: string, seconds = defaultTimeoutSeconds): Promise<Connected> {
  const info = await liveSandbox(context, id);
  if (info.state === 'paused') return { info: await resume(context, info, seconds), resumed: true };
  const ends = endsAtMs(info);
  const longer = ends !== null && ends < Date.now() + seconds * 1000;
  return { info: longer ? await give(context, info, seconds) : info, resumed: false };
}

/** Only what is paused. */
export async function resumePaused(
  context: CallerContext,
  id: string,
  seconds = defaultTimeoutSeconds,
): Promise<SandboxInfo> {
  const info = await liveSandbox(context, id);
  if (info.state === 'running') throw new NovaError('conflict', `Sandbox "${id}" is already running`);
  return resume(context, info, seconds);
}

/** A request has come for a sandbox: one that is paused and was made so is resumed, for the time it was made with. */
export async function awake(context: CallerContext, info: SandboxInfo): Promise<SandboxInfo> {
  const { autoPause, autoResume } = traitsOf(info.labels);
  if (info.state !== 'paused' || !autoResume) return info;
  const { timeoutMs } = await context.engine.sandboxes.config(info.id);
  return resume(context, info, (timeoutMs - engineTimeoutMs(0, autoPause)) / 1000);
}

async function resume(context: CallerContext, info: SandboxInfo, seconds: number): Promise<SandboxInfo> {
  return give(context, await context.engine.sandboxes.resume(info.id), seconds);
}

function give({ engine }: CallerContext, info: SandboxInfo, seconds: number): Promise<SandboxInfo> {
  return engine.sandboxes.setTimeout(info.id, engineTimeoutMs(seconds * 1000, traitsOf(info.labels).autoPause));
}
