import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { OutputChunk } from '@novasandbox/engine';
import { goEndOf, type Exit } from '@novasandbox/protocol';
import { ProcessEventSchema, type ProcessEvent } from '../gen/process_pb.js';

type Event = NonNullable<MessageInitShape<typeof ProcessEventSchema>['event']>;
const event = (value: Event): ProcessEvent => create(ProcessEventSchema, { event: value });

export const started = (pid: number): ProcessEvent => event({ case: 'start', value: { pid } });
export const keepalive = (): ProcessEvent => event({ case: 'keepalive', value: {} });
export const output = ({ channel, bytes }: OutputChunk): ProcessEvent =>
  event({ case: 'data', value: { output: { case: channel, value: bytes } } });

export function ended(exit: Exit): ProcessEvent {
  const { failed, ...end } = goEndOf(exit);
  return event({ case: 'end', value: { ...end, ...(failed ? { error: end.status } : {}) } });
}
