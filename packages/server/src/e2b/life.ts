import { isNovaError, NovaError, type OnTimeout, type SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';
import { liveSandbox } from './find.ts';
import { traitsOf } from './labels.ts';
import { defaultTimeoutSeconds, endsAtMs } from './life-time.ts';

/** Sets the time to live from now; 0 ends the sandbox now. */
export async function setTimeoutOf(context: CallerContext, id: string, seconds: number): Promise<void> {
  const info = await liveSandbox(context, id);
  if (seconds === 0) await expire(context, info);
  else await give(context, info, seconds);
}

/** Pauses or removes the sandbox as at the end of its time. */
async function expire({ engine }: CallerContext, { id, state, onTimeout }: SandboxInfo): Promise<void> {
  if (onTimeout === 'stop') await engine.sandboxes.remove(id, { force: true });
  else if (state === 'running') await putAway(engine.sandboxes, id, onTimeout);
}

/**
 * Pauses the sandbox. Its memory is on the disk of the host then; where the hypervisor cannot write the memory of a
 * running guest, it stays in memory.
 *
 * @param memory false: only the disk is kept
 */
export async function pause(context: CallerContext, id: string, memory: boolean): Promise<void> {
  const info = await liveSandbox(context, id);
  if (isPaused(info)) throw new NovaError('conflict', `Sandbox "${id}" is already paused`);
  await putAway(context.engine.sandboxes, id, memory ? 'hibernate' : 'hibernate-disk');
}

async function putAway(
  sandboxes: CallerContext['engine']['sandboxes'],
  id: string,
  how: Exclude<OnTimeout, 'stop'>,
): Promise<void> {
  if (how === 'pause') return void (await sandboxes.pause(id));
  try {
    await sandboxes.hibernate(id, { memory: how === 'hibernate' });
  } catch (error) {
    if (how !== 'hibernate' || !isNovaError(error, 'feature_unsupported')) throw error;
    await sandboxes.pause(id);
  }
}

/** Whether E2B's clients are told that it is paused. */
export const isPaused = ({ state }: Pick<SandboxInfo, 'state'>): boolean =>
  state === 'paused' || state === 'hibernated';

export interface Connected {
  readonly info: SandboxInfo;
  readonly resumed: boolean;
}

/** How a client wants a sandbox back. */
export interface HowToResume {
  readonly timeout?: number | undefined;
  /** false: it boots from its disk. */
  readonly memory?: boolean | null | undefined;
}

/** Ensures that the sandbox runs for at least the given time. */
export async function connect(context: CallerContext, id: string, how: HowToResume): Promise<Connected> {
  const info = await liveSandbox(context, id);
  const { timeout: seconds = defaultTimeoutSeconds } = how;
  if (isPaused(info)) return { info: await resume(context, info, seconds, how), resumed: true };
  const ends = endsAtMs(info);
  const longer = ends !== null && ends < Date.now() + seconds * 1000;
  return { info: longer ? await give(context, info, seconds) : info, resumed: false };
}

/** Resumes a paused sandbox; throws `conflict` for a running one. */
export async function resumePaused(context: CallerContext, id: string, how: HowToResume): Promise<SandboxInfo> {
  const info = await liveSandbox(context, id);
  if (!isPaused(info)) throw new NovaError('conflict', `Sandbox "${id}" is already running`);
  return resume(context, info, how.timeout ?? defaultTimeoutSeconds, how);
}

/** The least time that a sandbox of an E2B client has after a request has resumed it. */
const leastSeconds = 300;
/** How long a request may wait until the sandbox that it resumes runs, ms. */
const resumedWithinMs = 60_000;

/**
 * Resumes a paused sandbox that was created to be resumed by requests, for the time that it was created with; one of an
 * E2B client has five minutes at least.
 */
export async function awake(context: CallerContext, info: SandboxInfo): Promise<SandboxInfo> {
  if (!isPaused(info) || !info.autoResume) return info;
  const { sandboxes } = context.engine;
  const running = await sandboxes.resume(info.id, { signal: AbortSignal.timeout(resumedWithinMs) });
  const { timeoutMs } = await sandboxes.config(info.id);
  if (!traitsOf(info.labels).autoResume || timeoutMs === 0 || timeoutMs >= leastSeconds * 1000) return running;
  return give(context, running, leastSeconds);
}

async function resume(
  context: CallerContext,
  { id }: SandboxInfo,
  seconds: number,
  { memory }: HowToResume,
): Promise<SandboxInfo> {
  return give(context, await context.engine.sandboxes.resume(id, { memory: memory !== false }), seconds);
}

const give = ({ engine }: CallerContext, { id }: SandboxInfo, seconds: number): Promise<SandboxInfo> =>
  engine.sandboxes.setTimeout(id, seconds * 1000);
