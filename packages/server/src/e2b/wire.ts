import { givenLabels, maxForks, nameSchema, type PolicyChoice, type SandboxInfo } from '@novasandbox/protocol';
import * as z from 'zod';
import type { Principal, ServerContext } from '../context.ts';
import { toOpen, traitsOf } from './labels.ts';
import { isPaused } from './life.ts';
import { networkOfPolicy, networkSchema } from './network.ts';
import { endAt } from './life-time.ts';

/** The version of the agent API that is reported to clients, which use only the features of that version. */
const envdVersion = '0.6.13';
const clientId = 'novasandbox';

const maxTimeoutSeconds = 30 * 86_400;
const timeoutSchema = z.int().min(0).max(maxTimeoutSeconds);

const stringsSchema = z.record(z.string(), z.string());

/**
 * Body of `POST /sandboxes`. Unknown fields of other client versions are ignored, unless they ask for something: see
 * `refuseUnsupported`.
 */
export const createSchema = z.object({
  templateID: z.string().min(1).max(200),
  timeout: timeoutSchema.min(1).optional(),
  metadata: stringsSchema.nullish(),
  envVars: stringsSchema.nullish(),
  secure: z.boolean().nullish(),
  allow_internet_access: z.boolean().nullish(),
  autoPause: z.boolean().nullish(),
  autoPauseMemory: z.boolean().nullish(),
  autoResume: z.object({ enabled: z.boolean().nullish() }).nullish(),
  network: networkSchema.nullish(),
  iam: z.unknown().optional(),
  mcp: z.unknown().optional(),
  volumeMounts: z.array(z.object({ name: nameSchema, path: z.string() })).nullish(),
});
export type CreateBody = z.output<typeof createSchema>;

export const connectSchema = z.object({ timeout: timeoutSchema.min(1).optional(), memory: z.boolean().nullish() });
export const pauseSchema = z.object({ memory: z.boolean().nullish() });
export const timeoutBodySchema = z.object({ timeout: timeoutSchema });

export const snapshotSchema = z.object({ name: z.string().max(200).nullish(), memory: z.boolean().nullish() });
export const forkBodySchema = z.object({
  timeout: timeoutSchema.min(1).nullish(),
  count: z.int().min(1).max(maxForks).nullish(),
});
export const listSnapshotsSchema = z.object({
  sandboxID: z.string().max(64).optional(),
  name: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(100),
  nextToken: z.string().max(500).optional(),
});

export const listSchema = z.object({
  metadata: z.string().max(65_536).optional(),
  state: z.union([z.string(), z.array(z.string())]).optional(),
  template: z.string().optional(),
  startedAfter: z.iso.datetime({ offset: true }).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(100),
  nextToken: z.string().max(500).optional(),
});

export const metricsSchema = z.object({
  start: z.coerce.number().int().optional(),
  end: z.coerce.number().int().optional(),
});

/** The answer of create and connect. Tokens are included only for callers who may use the agent API. */
export function sandboxBody({ auth, config }: ServerContext, info: SandboxInfo, principal: Principal) {
  const mayEnter = toOpen.secure.every((permission) => principal.permissions.has(permission));
  return {
    templateID: info.templateId,
    sandboxID: info.id,
    clientID: clientId,
    envdVersion,
    domain: config.server.domain,
    ...(mayEnter ? { envdAccessToken: auth.sandboxToken(info.id) } : {}),
    ...(toOpen.publicTraffic.every((permission) => principal.permissions.has(permission)) &&
    !traitsOf(info.labels).publicTraffic
      ? { trafficAccessToken: auth.trafficToken(info.id) }
      : {}),
  };
}

export function listedBody(info: SandboxInfo) {
  return {
    templateID: info.templateId,
    sandboxID: info.id,
    clientID: clientId,
    startedAt: info.startedAt ?? info.createdAt,
    endAt: endAt(info),
    cpuCount: info.vcpus,
    memoryMB: info.memoryMb,
    diskSizeMB: info.diskSizeMb,
    state: isPaused(info) ? 'paused' : 'running',
    envdVersion,
    metadata: givenLabels(info.labels),
    ...(info.name === null ? {} : { alias: info.name }),
    ...(info.volumes.length === 0 ? {} : { volumeMounts: info.volumes.map(({ name, path }) => ({ name, path })) }),
  };
}

export function detailBody(
  context: ServerContext,
  info: SandboxInfo,
  principal: Principal,
  policy: PolicyChoice | undefined,
) {
  const traits = traitsOf(info.labels);
  const { envdAccessToken, domain } = sandboxBody(context, info, principal);
  return {
    ...listedBody(info),
    domain,
    ...(envdAccessToken === undefined ? {} : { envdAccessToken }),
    allowInternetAccess: info.enableNetwork,
    network: {
      allowPublicTraffic: traits.publicTraffic,
      ...(traits.maskRequestHost === null ? {} : { maskRequestHost: traits.maskRequestHost }),
      ...(traits.httpsPorts.length === 0 ? {} : { httpsPorts: traits.httpsPorts }),
      ...networkOfPolicy(policy),
    },
    lifecycle: { onTimeout: info.onTimeout === 'stop' ? 'kill' : 'pause', autoResume: info.autoResume },
  };
}
