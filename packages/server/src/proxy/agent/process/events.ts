import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { OutputChunk } from '@novasandbox/engine';
import type { Exit } from '@novasandbox/protocol';
import { ProcessEventSchema, type ProcessEvent } from '../gen/process_pb.js';

type Event = NonNullable<MessageInitShape<typeof ProcessEventSchema>['event']>;
const event = (value: Event): ProcessEvent => create(ProcessEventSchema, { event: value });

export const started = (pid: number): ProcessEvent => event({ case: 'start', value: { pid } });
export const keepalive = (): ProcessEvent => event({ case: 'keepalive', value: {} });
export const output = ({ channel, bytes }: OutputChunk): ProcessEvent =>
  event({ case: 'data', value: { output: { case: channel, value: bytes } } });

/** As Go words the end of a process. */
export function ended({ exitCode, signal }: Exit): ProcessEvent {
  if (signal !== null) {
    const status = `signal: ${signalNames[signal] ?? `signal ${signal}`}`;
    return event({ case: 'end', value: { exitCode: -1, exited: false, status, error: status } });
  }
  const status = `exit status ${exitCode}`;
  return event({
    case: 'end',
    value: { exitCode, exited: true, status, ...(exitCode === 0 ? {} : { error: status }) },
  });
}

const signalNames: Readonly<Record<number, string>> = {
  1: 'hangup',
  2: 'interrupt',
  3: 'quit',
  4: 'illegal instruction',
  5: 'trace/breakpoint trap',
  6: 'aborted',
  7: 'bus error',
  8: 'floating point exception',
  9: 'killed',
  10: 'user defined signal 1',
  11: 'segmentation fault',
  12: 'user defined signal 2',
  13: 'broken pipe',
  14: 'alarm clock',
  15: 'terminated',
};
