import type { Permission } from '@novasandbox/protocol/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallerContext } from '../context.ts';

/** `context` is that of the caller. */
export type Handler = (context: CallerContext, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** Registers a handler for addresses of E2B's API. */
export type AddRoute = (
  method: Method,
  urls: string[],
  permission: Permission,
  operation: string,
  handler: Handler,
) => void;
