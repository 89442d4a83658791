import { childIds } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { forkedOf, forkOfBody, type Forked, type forkBodySchema } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import { system } from '../authority/callers.ts';
import type { Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';
import { named, sandboxOfId } from './operations.ts';

type ForkBody = z.output<typeof forkBodySchema>;

/**
 * Forks a running VM. Its children have its limit of idle time, unless the body names another.
 *
 * @param newId an id from which those of the children follow (`childIds`)
 */
export async function forkVm(
  context: RouteContext,
  engine: Services,
  ref: string,
  body: ForkBody,
  { signal, newId }: { readonly signal: AbortSignal; readonly newId: string | undefined },
): Promise<Forked> {
  const parent = await engine.sandboxes.get(ref);
  const how = forkOfBody(body);
  const ids = newId === undefined ? undefined : childIds(newId, how.count ?? 1);
  const results = await named(() => engine.snapshots.fork(parent.id, how, { signal, ids }));
  for (const { sandbox } of results) if (sandbox !== null) setIdleLimit(context, parent.id, sandbox, body);
  for (const { sandbox } of results)
    if (sandbox !== null && sandbox.metadata.bootTimeMs !== null)
      context.metrics.booted(sandbox.metadata.bootTimeMs / 1000);
  return forkedOf(results);
}

function setIdleLimit({ idle }: RouteContext, parent: string, child: SandboxInfo, body: ForkBody): void {
  const { idle_timeout_seconds: seconds } = body;
  idle.setTimeoutMs(child.id, seconds === undefined ? idle.timeoutMs(parent) : Math.round(seconds * 1000));
}

/**
 * The children of a fork that was interrupted before it was answered, where all of them are there. Where some are
 * missing the others are removed, because no more can be made of their instant; the result is null then.
 */
export async function childrenOfInterrupted(
  context: RouteContext,
  engine: Services,
  newId: string,
  body: ForkBody,
): Promise<Forked | null> {
  const ids = childIds(newId, forkOfBody(body).count ?? 1);
  const found = await Promise.all(ids.map((id) => sandboxOfId(engine, id)));
  const children = found.filter((child) => child !== null);
  if (children.length === ids.length) {
    for (const child of children) setIdleLimit(context, child.forkedFrom ?? child.id, child, body);
    return forkedOf(children.map((sandbox) => ({ sandbox, error: null })));
  }
  // The caller may fork, and need not be allowed to remove: nobody has got these from us.
  const { sandboxes } = context.viewOf(system).engine;
  await Promise.all(children.map(({ id }) => sandboxes.remove(id, { force: true })));
  return null;
}
