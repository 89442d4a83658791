import { givenLabels, type SandboxInfo } from '@novasandbox/protocol';
import * as z from 'zod';
import type { Principal, ServerContext } from '../context.ts';
import { toOpen, traitsOf } from './labels.ts';
import { endAt } from './life-time.ts';

/** Version of the agent API that clients are told, and by which they choose what they may ask for. */
export const envdVersion = '0.6.13';
export const clientId = 'novasandbox';

const maxTimeoutSeconds = 30 * 86_400 - 60;
export const timeoutSchema = z.int().min(0).max(maxTimeoutSeconds);

const stringsSchema = z.record(z.string(), z.string());

/** POST /sandboxes. What other versions of a client send beside it is let be, unless it asks for something: see `unsupported`. */
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
  network: z
    .looseObject({
      allowPublicTraffic: z.boolean().nullish(),
      allowOut: z.array(z.string()).nullish(),
      denyOut: z.array(z.string()).nullish(),
    })
    .nullish(),
  iam: z.unknown().optional(),
  mcp: z.unknown().optional(),
  volumeMounts: z.array(z.unknown()).nullish(),
});
export type CreateBody = z.output<typeof createSchema>;

export const connectSchema = z.object({ timeout: timeoutSchema.min(1).optional() });
export const pauseSchema = z.object({ memory: z.boolean().nullish() });
export const timeoutBodySchema = z.object({ timeout: timeoutSchema });

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

/** What create and connect answer. The tokens only go to who may use the agent API. */
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
    state: info.state === 'paused' ? 'paused' : 'running',
    envdVersion,
    metadata: givenLabels(info.labels),
    ...(info.name === null ? {} : { alias: info.name }),
  };
}

export function detailBody(context: ServerContext, info: SandboxInfo, principal: Principal) {
  const traits = traitsOf(info.labels);
  const { envdAccessToken, domain } = sandboxBody(context, info, principal);
  return {
    ...listedBody(info),
    domain,
    ...(envdAccessToken === undefined ? {} : { envdAccessToken }),
    allowInternetAccess: info.enableNetwork,
    network: { allowPublicTraffic: traits.publicTraffic },
    lifecycle: { onTimeout: traits.autoPause ? 'pause' : 'kill', autoResume: traits.autoResume },
  };
}
