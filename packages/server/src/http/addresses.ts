import { NovaError } from '@novasandbox/protocol';
import { routes, type Route } from '@novasandbox/protocol/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
/** The path that all routes of the table lie under. */
export const apiPrefix = '/api/v1';

const addresses = Object.values<Route>(routes).map(({ method, path }) => ({
  method,
  fixed: !path.includes('{'),
  pattern: new RegExp(`^${apiPrefix}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

/** Refuses a request that no route takes: its address is not there, or takes other methods. */
export function refuseUnrouted(request: FastifyRequest, reply: FastifyReply): never {
  const fitting = addresses.filter(({ pattern }) => pattern.test(pathOf(request)));
  if (fitting.length === 0) throw new NovaError('not_found', 'There is nothing at this address.');
  // An address that is spelled out in the table is no instance of a pattern, as OpenAPI has it.
  const own = fitting.filter(({ fixed }) => fixed);
  throw otherMethods(own.length > 0 ? own : fitting, reply);
}

/**
 * `/vms/windows` takes POST; a GET there asks for the VM of that name. Where there is none, the method is what was wrong.
 */
export function refusalOf(request: FastifyRequest, reply: FastifyReply, error: NovaError): NovaError {
  if (error.code !== 'sandbox_not_found') return error;
  const own = addresses.filter(({ fixed, pattern }) => fixed && pattern.test(pathOf(request)));
  return own.length === 0 || own.some(({ method }) => method === request.method) ? error : otherMethods(own, reply);
}

function otherMethods(own: readonly { readonly method: string }[], reply: FastifyReply): NovaError {
  const methods = [...new Set(own.map(({ method }) => method))].join(', ');
  void reply.header('allow', methods);
  return new NovaError('method_not_allowed', `This takes ${methods}.`);
}
