import { nameSchema, NovaError, parse, type VolumeInfo } from '@novasandbox/protocol';
import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { CallerContext, Principal, ServerContext } from '../context.ts';
import type { AddRoute } from './route.ts';

const newVolumeSchema = z.object({ name: nameSchema });

/** E2B's routes of volumes. The size of a volume is not the client's to choose there, so it is the usual one. */
export function addVolumeRoutes(route: AddRoute): void {
  route('POST', ['/volumes'], 'volume:write', 'createVolume', async ({ engine, auth }, request, reply) => {
    const { name } = parse(newVolumeSchema, request.body ?? {}, 'volume');
    const made = await engine.volumes.create({ name });
    void reply.code(201);
    return withToken({ auth }, made, request.principal);
  });
  route('GET', ['/volumes'], 'volume:read', 'listVolumes', async ({ engine }) =>
    (await engine.volumes.list()).map(({ id, name }) => ({ volumeID: id, name })),
  );
  route('GET', ['/volumes/:volume'], 'volume:read', 'getVolume', async (context, request) =>
    withToken(context, await volumeOf(context, request), request.principal),
  );
  route('DELETE', ['/volumes/:volume'], 'volume:delete', 'deleteVolume', async (context, request, reply) => {
    const { id } = await volumeOf(context, request);
    await context.engine.volumes.remove(id);
    void reply.code(204);
  });
}

export const volumeIdOf = (request: FastifyRequest): string =>
  (request.params as Record<string, string | undefined>)['volume'] ?? '';

/** Clients of E2B name a volume by its whole id. */
async function volumeOf({ engine }: CallerContext, request: FastifyRequest): Promise<VolumeInfo> {
  const id = volumeIdOf(request);
  const found = await engine.volumes.get(id);
  if (found.id === id) return found;
  throw new NovaError('volume_not_found', `Volume "${id}" not found`);
}

/** The permissions that the token of a volume stands for. */
const tokenGives = ['volume:write', 'guest:file_transfer'] as const;

/** The answer of create and get. It has the token only for callers who may do themselves what it allows. */
function withToken({ auth }: Pick<ServerContext, 'auth'>, { id, name }: VolumeInfo, principal: Principal | null) {
  const may = tokenGives.every((permission) => principal?.permissions.has(permission) === true);
  return { volumeID: id, name, token: may ? auth.volumeToken(id) : '' };
}
