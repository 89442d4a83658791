import { NovaError } from '@novasandbox/protocol';
import { routes, type Route } from '@novasandbox/protocol/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { notYet } from './not-yet.ts';

/** The path that all routes of the table lie under. */
export const apiPrefix = '/api/v1';

/** An address of the API. */
interface Address {
  readonly method: string;
  readonly fixed: boolean;
  readonly pattern: RegExp;
  /** The missing part that the address needs; null when the address works. */
  readonly waitsFor: string | null;
}

const addressOf = (method: string, path: string, waitsFor: string | null): Address => ({
  method,
  fixed: !path.includes('{'),
  pattern: new RegExp(`^${apiPrefix}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  waitsFor,
});

const addresses: readonly Address[] = [
  ...Object.values<Route>(routes).map(({ method, path }) => addressOf(method, path, null)),
  ...notYet.flatMap(({ name, calls }) => calls.map(([method, path]) => addressOf(method, path, name))),
];

const addressesOf = ({ url }: FastifyRequest): readonly Address[] => {
  const path = url.split('?', 1)[0] ?? '';
  return addresses.filter(({ pattern }) => pattern.test(path));
};

/** Rejects a request without a route: the address is unknown, takes other methods, or does not work yet. */
export function refuseUnrouted(request: FastifyRequest, reply: FastifyReply): never {
  const fitting = addressesOf(request);
  if (fitting.length === 0) throw new NovaError('not_found', 'There is nothing at this address.');
  const part = fitting.find(({ method, waitsFor }) => waitsFor !== null && method === request.method)?.waitsFor;
  if (part !== undefined && part !== null) {
    throw new NovaError('not_implemented', `This needs a part that is not there yet: ${part}.`, {
      hint: 'docs/not-yet.md lists what is to come; /openapi.json and /docs show what works.',
    });
  }
  // As in OpenAPI, an address without parameters takes precedence over a pattern that matches it.
  const own = fitting.filter(({ fixed }) => fixed);
  throw otherMethods(own.length > 0 ? own : fitting, reply);
}

/**
 * Returns the error to answer with. `/vms/windows` takes POST, and a GET there asks for the VM of that name. Where
 * there is no such VM, the method was wrong.
 */
export function refusalOf(request: FastifyRequest, reply: FastifyReply, error: NovaError): NovaError {
  if (error.code !== 'sandbox_not_found') return error;
  const own = addressesOf(request).filter(({ fixed }) => fixed);
  return own.length === 0 || own.some(({ method }) => method === request.method) ? error : otherMethods(own, reply);
}

function otherMethods(own: readonly Address[], reply: FastifyReply): NovaError {
  const methods = [...new Set(own.map(({ method }) => method))].join(', ');
  void reply.header('allow', methods);
  return new NovaError('method_not_allowed', `This address accepts only ${methods}.`);
}
