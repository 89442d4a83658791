import { NovaError } from '@novasandbox/protocol';
import { together, within } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { OpenedSession } from '../ports/guest-links.ts';
import type { Machine, MachineSpec, RestoreOptions, SnapshotFiles, VmmDriver } from '../ports/vmm-driver.ts';
import { firstAnswer } from './first-answer.ts';

export interface BringUpOptions {
  readonly driver: VmmDriver;
  readonly spec: MachineSpec;
  /** The snapshot that the guest is a clone of; default: it boots cold. */
  readonly restore?: SnapshotFiles;
  /**
   * Whether the snapshot is of a guest that was in use, so that its agent may be in the middle of a frame. Default: its
   * last session had ended, or the guest boots.
   */
  readonly wasInUse?: boolean;
  /** As that of the driver: the snapshot is still being written. */
  readonly whole?: RestoreOptions['whole'];
  /** A folder that a snapshot of the guest will be written to. */
  readonly snapshotTo?: string;
  /** How long the VMM may take to start, and after it the agent to answer, ms. */
  readonly bootTimeoutMs: number;
  /**
   * Makes the identity that the guest gets. It is called once the guest answers, because the time of day is part of it.
   */
  readonly identity: () => GuestIdentity;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A guest that has taken on its identity, and the first session with its agent. Disposing ends the session and the
 * machine.
 */
export interface Guest extends OpenedSession, AsyncDisposable {
  readonly machine: Machine;
  /** Hands the guest to the caller: disposing does nothing from here on. */
  keep(): void;
}

/**
 * Brings a guest up: starts its machine, waits for the first answer of its agent, and has the guest configured. A guest
 * that does not take on its identity is not handed out. After an error or an abort nothing of it is left.
 *
 * @throws NovaError `boot_timeout`, `boot_failed`, `cancelled`, and the errors of the driver and the agent
 */
export async function bringUp(
  context: Pick<EngineContext, 'links' | 'store'>,
  { driver, spec, restore, wasInUse = false, whole, snapshotTo, bootTimeoutMs, identity, signal }: BringUpOptions,
): Promise<Guest> {
  await using undo = new AsyncDisposableStack();
  const machine = await startMachine(bootTimeoutMs, signal, async (limited) => {
    if (restore === undefined)
      return driver.launch(spec, { signal: limited, ...(snapshotTo === undefined ? {} : { snapshotTo }) });
    const clone = await driver.restore?.(spec, restore, { signal: limited, whole });
    if (clone === undefined) throw new Error(`${driver.name} has the feature "restore" and no method for it`);
    return clone;
  });
  undo.use(machine);
  // A flush takes time, and elsewhere there is nothing to flush: the last session of a golden snapshot ended at a frame
  // boundary, and a new guest has had none.
  const answer = { signal, timeoutMs: bootTimeoutMs, flush: wasInUse };
  const session = await firstAnswer(context, driver, machine, answer);
  holdSession(context, undo, spec.id, session);
  await session.agent.configure(identity(), { signal, timeoutMs: bootTimeoutMs });
  return guestOf(undo.move(), machine, session);
}

export interface GoOnOptions {
  readonly machine: Machine;
  /** The session that was left open; default: the last one had ended at a frame boundary. */
  readonly session?: OpenedSession | undefined;
  readonly identity: () => GuestIdentity;
  /** How long all of it may take, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Lets a guest go on that was brought up and then paused before anybody used it, and has it take on another identity.
 * After an error or an abort nothing of it is left.
 *
 * @throws NovaError `guest_unreachable` also where it has not answered in time
 */
export async function goOn(
  context: Pick<EngineContext, 'links' | 'store'>,
  { machine, session, identity, timeoutMs, signal }: GoOnOptions,
): Promise<Guest> {
  await using undo = new AsyncDisposableStack();
  undo.use(machine);
  const { id } = machine.record;
  if (session !== undefined) holdSession(context, undo, id, session);
  const late = (): NovaError => new NovaError('guest_unreachable', `The guest has not gone on within ${timeoutMs} ms.`);
  const opened = await within(timeoutMs, signal, late, async (limited) => {
    const configure = async (over: AbortSignal): Promise<OpenedSession> => {
      // The request is sent before the guest runs, and waits for it in its channel.
      const answer = { signal: over, timeoutMs };
      const its = session ?? (await context.links.open(machine, { ...answer, flush: false }));
      if (session === undefined) holdSession(context, undo, id, its);
      await its.agent.configure(identity(), answer);
      return its;
    };
    const [, configured] = await together(limited, [async (over) => machine.resume?.({ signal: over }), configure]);
    return configured;
  });
  return guestOf(undo.move(), machine, opened);
}

function holdSession(
  { store }: Pick<EngineContext, 'store'>,
  undo: AsyncDisposableStack,
  id: string,
  { agent, channel }: OpenedSession,
): void {
  undo.defer(() => store.releaseLease(id, channel));
  undo.use(agent);
}

function guestOf(held: AsyncDisposableStack, machine: Machine, { agent, channel }: OpenedSession): Guest {
  return {
    machine,
    agent,
    channel,
    keep: () => void held.move(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/**
 * Starts a machine within a time limit. `start` gets the signal that it has to heed; on abort the driver undoes its
 * work. Rejects with `boot_timeout` when the VMM has not answered within `limitMs`.
 */
export function startMachine(
  limitMs: number,
  signal: AbortSignal | undefined,
  start: (signal: AbortSignal) => Promise<Machine>,
): Promise<Machine> {
  const late = (): NovaError =>
    new NovaError('boot_timeout', `The VMM had not started the guest within ${limitMs} ms.`);
  return within(limitMs, signal, late, start);
}
