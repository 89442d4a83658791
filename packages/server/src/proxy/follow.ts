import type { IncomingMessage } from 'node:http';
import { withTrace } from '@novasandbox/engine';
import type { ServerContext } from '../context.ts';
import { agentPort } from '../agent-port.ts';
import type { Target } from './target.ts';

/** Log and trace of a request of the data plane. */
export interface Followed {
  readonly requestId: string;
  /** Runs the handler within the trace. */
  run(work: () => Promise<void>): Promise<void>;
  ended(status: number): void;
}

export function follow(
  { tracing, log, requestIdOf }: ServerContext,
  target: Target,
  request: IncomingMessage,
): Followed {
  const startedAt = performance.now();
  const requestId = requestIdOf(request);
  const { method = 'GET' } = request;
  const followed = tracing.begin(requestId, method, request.headers);
  const [route, operation] = namesOf(target, request.url ?? '/');
  const vm = target.kind === 'port' ? target.sandboxId : undefined;
  return {
    requestId,
    run: (work) => withTrace(followed.trace, work),
    ended(status) {
      const ms = Math.round((performance.now() - startedAt) * 100) / 100;
      log.info({ request_id: requestId, operation, vm, status, ms });
      followed.end({ route, operation, status, vm });
    },
  };
}

/**
 * Returns the pattern and the operation of a request. Paths that a guest serves itself are left out, because their
 * number is unbounded.
 */
function namesOf(target: Target, url: string): readonly [route: string, operation: string] {
  if (target.kind === 'refused') return ['/', 'proxy.refused'];
  if (target.kind === 'port' && target.port !== agentPort) return ['/', 'proxy.port'];
  const path = url.split('?', 1)[0] ?? '/';
  const call = /^\/(?:process\.Process|filesystem\.Filesystem)\/[A-Za-z]{1,40}$/.exec(path)?.[0];
  const route = call ?? (/^\/(?:files|health|metrics|envs)$/.test(path) ? path : '/');
  return [route, `agent.${route.slice(1).replace('/', '.')}`];
}
