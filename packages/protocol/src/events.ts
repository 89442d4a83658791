import * as z from 'zod';
import { hasMachine, type SandboxInfo, type SandboxState } from './sandbox.ts';

export const eventTypeSchema = z.enum([
  'vm.creating',
  'vm.created',
  'vm.started',
  'vm.paused',
  'vm.hibernated',
  'vm.resumed',
  'vm.stopped',
  'vm.removed',
  'vm.failed',
  'vm.timeout_changed',
  'vm.renamed',
  'vm.forked',
  'snapshot.taken',
  'snapshot.imported',
  'snapshot.restored',
  'snapshot.removed',
  'vm.disk_full',
  'command.started',
  'command.ended',
  'template.building',
  'template.built',
  'pool.made',
  'pool.hit',
  'pool.missed',
  'pool.discarded',
  'network.denied',
  'network.approval_needed',
  'network.approval_answered',
  'server.started',
  'server.stopping',
]);
export type EventType = z.infer<typeof eventTypeSchema>;

/** A type of event, or its part before the dot, which matches all types that begin with it. */
export const eventKindSchema = z.enum([
  ...eventTypeSchema.options,
  'vm',
  'snapshot',
  'command',
  'template',
  'pool',
  'network',
  'server',
]);
export type EventKind = z.infer<typeof eventKindSchema>;

/** An event about a sandbox or the daemon. */
export interface SandboxEvent {
  /** Increases with each event of a daemon, and continues across its restarts. */
  readonly id: number;
  readonly time: string;
  readonly type: EventType;
  /** Null if the event is about no sandbox. */
  readonly sandboxId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export const isOfKind = (type: EventType, kinds: readonly EventKind[]): boolean =>
  kinds.some((kind) => type === kind || type.startsWith(`${kind}.`));

/** Maps changes of state to types of events; nothing else does. */
const stateChanges: Readonly<Record<SandboxState, Partial<Record<SandboxState, EventType>>>> = {
  creating: {
    running: 'vm.started',
    paused: 'vm.paused',
    hibernated: 'vm.failed',
    stopped: 'vm.failed',
    failed: 'vm.failed',
  },
  running: {
    paused: 'vm.paused',
    hibernated: 'vm.hibernated',
    stopped: 'vm.stopped',
    failed: 'vm.failed',
    creating: 'vm.stopped',
  },
  paused: {
    running: 'vm.resumed',
    hibernated: 'vm.hibernated',
    stopped: 'vm.stopped',
    failed: 'vm.failed',
    creating: 'vm.stopped',
  },
  // Stopping is reported once it has finished.
  stopping: {
    stopped: 'vm.stopped',
    hibernated: 'vm.hibernated',
    failed: 'vm.failed',
    creating: 'vm.stopped',
    running: 'vm.started',
  },
  hibernated: { running: 'vm.resumed', stopped: 'vm.stopped', failed: 'vm.failed' },
  stopped: { running: 'vm.started' },
  failed: { running: 'vm.started' },
};

export interface Happening {
  readonly type: EventType;
  readonly about: SandboxInfo;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Returns the events between two looks at a sandbox, in order; undefined means that it did not exist. */
export function happenedBetween(before: SandboxInfo | undefined, after: SandboxInfo | undefined): readonly Happening[] {
  if (after === undefined) return before === undefined ? [] : removalOf(before);
  const about = (type: EventType, more: Readonly<Record<string, unknown>> = {}): Happening =>
    happening(type, after, more);
  if (before === undefined) return [about(after.state === 'creating' ? 'vm.creating' : 'vm.created')];
  const found: Happening[] = [];
  for (const path of after.fullDisks.filter((each) => !before.fullDisks.includes(each)))
    found.push(about('vm.disk_full', { path }));
  if (before.name !== after.name) found.push(about('vm.renamed', { before: before.name }));
  if (before.state === after.state) {
    if (before.expiresAt !== after.expiresAt) found.push(about('vm.timeout_changed', { expires_at: after.expiresAt }));
    return found;
  }
  if (before.state === 'creating' && after.state === 'running' && before.startedAt === null)
    found.push(about('vm.created'));
  const type = stateChanges[before.state][after.state];
  if (type !== undefined) found.push(about(type));
  return found;
}

function removalOf(before: SandboxInfo): readonly Happening[] {
  // A sandbox whose creation failed is reported by the code that was creating it.
  if (before.state === 'creating' && before.startedAt === null) return [];
  const removed = happening('vm.removed', before);
  return hasMachine(before.state) ? [happening('vm.stopped', before), removed] : [removed];
}

function happening(type: EventType, about: SandboxInfo, more: Readonly<Record<string, unknown>> = {}): Happening {
  const { name, templateId: template, reason } = about;
  return { type, about, data: { name, template, ...(reason === null ? {} : { reason }), ...more } };
}
