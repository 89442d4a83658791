import { Code, ConnectError } from '@connectrpc/connect';
import type { GuestProcess } from '@novasandbox/engine';
import type { ProcessSelector } from '../gen/process_pb.js';
import type { Scope } from '../scope.ts';

/**
 * Finds the process that a client selects by pid or tag. A running process comes first, then the one that was started
 * last.
 */
export async function processOf(scope: Scope, selector: ProcessSelector | undefined): Promise<GuestProcess> {
  const wanted = selector?.selector;
  if (wanted?.case === undefined) throw new ConnectError('no process selected', Code.InvalidArgument);
  const all = await scope.context.engine.exec.list(scope.info.id);
  const fitting = all.filter((each) => (wanted.case === 'pid' ? each.pid === wanted.value : each.tag === wanted.value));
  const found = fitting.toSorted(
    (a, b) => Number(b.running) - Number(a.running) || Number(b.startedNs - a.startedNs),
  )[0];
  if (found === undefined)
    throw new ConnectError(`process with ${wanted.case} ${wanted.value} not found`, Code.NotFound);
  return found;
}

export async function runningProcess(scope: Scope, selector: ProcessSelector | undefined): Promise<GuestProcess> {
  const found = await processOf(scope, selector);
  if (!found.running) throw new ConnectError(`process with pid ${found.pid} not found`, Code.NotFound);
  return found;
}
