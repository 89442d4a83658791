import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { toNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { visitorOf } from '../authority/callers.ts';
import { seenBy, type CallerContext, type ServerContext } from '../context.ts';
import { maxHeaders } from '../http/listeners.ts';
import { errorBodyOf } from '../e2b/errors.ts';
import { traitsOf } from '../e2b/labels.ts';
import { awake, isPaused } from '../e2b/life.ts';
import { mayUsePort, reachableSandbox } from './access.ts';
import { createAgentApi } from './agent/index.ts';
import { answer, answerSocket, failure, redirect, sandboxGone, type Answer } from './answer.ts';
import { createConnections } from './connections.ts';
import { follow } from './follow.ts';
import { framingProblem } from './headers.ts';
import { defaultLimits, type ProxyLimits } from './limits.ts';
import { agentPort } from '../agent-port.ts';
import { targetOf, type Target } from './target.ts';
import { admissionOf, type Admission } from './preview.ts';
import { proxyRequest, proxyUpgrade, type PortTarget } from './to-port.ts';
import { createVisitors } from './visitors.ts';

export interface DataPlane {
  /** Tells whether a request is meant for a sandbox. Fastify does not get those requests. */
  handles(request: IncomingMessage): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Serves requests for a port of a sandbox, or for the agent API that stands in for its port 49983. */
export function dataPlane(context: ServerContext, given: Partial<ProxyLimits> = {}): DataPlane {
  const { server, networking } = context.config;
  const { domain } = server;
  const limits = {
    ...defaultLimits,
    perVisitor: networking.max_visits_per_address,
    firstByteMs: networking.first_byte_seconds * 1000,
    ...given,
  };
  const visitors = createVisitors(limits);
  const connections = createConnections(context);
  const agent = createAgentApi(context);

  const admit = (target: PortTarget, request: IncomingMessage): Admission | null => {
    const admission = admissionOf(context, target, request);
    if (admission !== null) context.connections.vouchFor(request.socket);
    return admission;
  };

  const serve = async (target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    using _work = context.drain.hold();
    if (target.kind === 'refused') return answer(response, failure(400, `Bad request: ${target.reason}`));
    const problem = framingProblem(request.rawHeaders);
    if (problem !== null) return answer(response, failure(400, `Bad request: ${problem}`));
    if (tooMany(request)) return answer(response, crowdedHead);
    const sandboxId = target.kind === 'signed' ? await agent.signedFor(request) : target.sandboxId;
    if (sandboxId === null) return answer(response, failure(401, 'invalid signature'));
    const info = await reachableSandbox(context, sandboxId);
    if (info === null) return answer(response, sandboxGone(sandboxId));
    const forAgent = !isGuestPort(target);
    const admission = isGuestPort(target) ? admit(target, request) : null;
    const refused = forAgent
      ? agent.refuses(info, request)
      : admission !== null || (await mayUsePort(context, info, request))
        ? null
        : forbidden;
    if (refused !== null) return answer(response, refused);
    if (admission?.redirect) return redirect(response, admission.redirect);
    // A health check must not resume a paused sandbox.
    if (isPaused(info) && forAgent && request.url === '/health') return answer(response, sandboxGone(sandboxId));
    using visitor = isGuestPort(target) ? visitors.enter(sandboxId, request.socket.remoteAddress) : null;
    if (visitor === null && isGuestPort(target)) return answer(response, crowded);
    // From here on the request reaches this sandbox alone.
    const visit = seenBy(context, visitorOf(info.id, forAgent ? 'agent' : 'ports'));
    const running = await awoken(visit, info);
    if ('body' in running) return answer(response, running);
    using _held = connections.hold(sandboxId, request.socket);
    if (isGuestPort(target))
      return await proxyRequest(visit, seenAs(target, info, admission), limits, request, response);
    return await agent.request(visit, running, request, response);
  };

  const serveUpgrade = async (
    target: Target,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> => {
    if (target.kind !== 'port') return answerSocket(socket, failure(400, 'Bad request'));
    const problem = framingProblem(request.rawHeaders);
    if (problem !== null) return answerSocket(socket, failure(400, `Bad request: ${problem}`));
    if (tooMany(request)) return answerSocket(socket, crowdedHead);
    const info = await reachableSandbox(context, target.sandboxId);
    if (info === null) return answerSocket(socket, sandboxGone(target.sandboxId));
    if (target.port === agentPort) return answerSocket(socket, failure(400, 'The agent API does not support upgrades'));
    const admission = admit(target, request);
    if (admission === null && !(await mayUsePort(context, info, request))) return answerSocket(socket, forbidden);
    using visitor = visitors.enter(info.id, request.socket.remoteAddress);
    if (visitor === null) return answerSocket(socket, crowded);
    const visit = seenBy(context, visitorOf(info.id, 'ports'));
    const running = await awoken(visit, info);
    if ('body' in running) return answerSocket(socket, running);
    using _held = connections.hold(info.id, socket);
    using _preview = admission === null ? undefined : context.previews.hold(admission.preview, socket);
    return await proxyUpgrade(visit, seenAs(target, info, admission), limits, request, socket, head);
  };

  return {
    handles: (request) => targetOf(request, domain) !== null,
    request(request, response) {
      const target = targetOf(request, domain) ?? nowhere;
      response.on('error', () => undefined);
      const followed = follow(context, target, request);
      // A guest sets the request ids of its own answers. Answers of the agent API carry the id of this server.
      if (!isGuestPort(target)) response.setHeader('x-request-id', followed.requestId);
      response.once('close', () => followed.ended(response.headersSent ? response.statusCode : 499));
      followed
        .run(() => serve(target, request, response))
        .catch((error: unknown) => {
          context.log.error({ request_id: followed.requestId, err: error }, 'a request for a sandbox failed');
          answer(response, failure(500, 'Internal error'));
        });
    },
    upgrade(request, socket, head) {
      const target = targetOf(request, domain) ?? nowhere;
      socket.on('error', () => undefined);
      const followed = follow(context, target, request);
      socket.once('close', () => followed.ended(101));
      followed
        .run(() => serveUpgrade(target, request, socket, head))
        .catch((error: unknown) => {
          context.log.error({ request_id: followed.requestId, err: error }, 'an upgrade for a sandbox failed');
          socket.destroy();
        });
    },
  };
}

/** A port with all that its sandbox, or the preview by which it is visited, says of it. */
function seenAs({ sandboxId, port }: PortTarget, { labels }: SandboxInfo, admission: Admission | null): PortTarget {
  const { maskRequestHost, httpsPorts } = traitsOf(labels);
  const mask = maskRequestHost?.replaceAll('${PORT}', String(port)) ?? null;
  const host = admission?.preview.rewriteHost === true ? `localhost:${port}` : mask;
  return { sandboxId, port, host, tls: httpsPorts.includes(port) };
}

/** The sandbox once it runs, or the answer to a request that could not wake it. */
async function awoken(visit: CallerContext, info: SandboxInfo): Promise<SandboxInfo | Answer> {
  try {
    return await awake(visit, info);
  } catch (error) {
    const { code, message } = errorBodyOf(toNovaError(error));
    return failure(code, message);
  }
}

/** Tells whether the target is any port but the one that the agent API stands in for. */
const isGuestPort = (target: Target): target is Extract<Target, { kind: 'port' }> =>
  target.kind === 'port' && target.port !== agentPort;
/**
 * Node drops headers beyond its maximum number, and one of them may be the header that gives the length of the request.
 */
const tooMany = ({ rawHeaders }: IncomingMessage): boolean => rawHeaders.length / 2 >= maxHeaders;
const crowdedHead: Answer = failure(431, 'The request has too many headers');
const nowhere: Target = { kind: 'refused', reason: 'no sandbox named' };
const crowded: Answer = failure(429, 'Too many connections to this sandbox');
const forbidden: Answer = failure(403, 'The traffic access token of this sandbox is missing or wrong');
