import { eventKindSchema, policyNameSchema } from '@novasandbox/protocol';
import * as z from 'zod';

/**
 * Form of an API key: `nova_` or `e2b_` and at least 128 bits in hexadecimal. E2B's clients accept only their own form.
 */
const apiKeySchema = z
  .string()
  .regex(/^(nova|e2b)_[0-9a-f]{32,128}$/, 'must be nova_ or e2b_ and 32 to 128 lower-case hexadecimal digits');

const seconds = (max: number) => z.number().min(0).max(max);
const day = 86_400;

const tlsSchema = z.strictObject({
  cert_file: z.string().min(1).describe('Certificate chain, PEM'),
  key_file: z.string().min(1).describe('Private key, PEM'),
});

const serverSchema = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1').describe('Address to listen on; loopback unless told'),
  port: z.int().min(0).max(65_535).default(8000).describe('0 for any free port'),
  local_socket: z
    .boolean()
    .default(true)
    .describe('Also listen on <home>/nova.sock, for the owner of the daemon alone'),
  tls: tlsSchema.optional().describe('HTTPS on host and port'),
  domain: z
    .string()
    .max(200)
    .regex(/^[a-z0-9.-]+(:\d+)?$/)
    .default('localhost')
    .describe('Sandboxes answer at <port>-<id>.<domain>'),
  body_limit_mb: z
    .number()
    .min(0.01)
    .max(1024)
    .default(16)
    .describe('Largest JSON body of any route; streamed files have no limit'),
  body_timeout_seconds: seconds(3600)
    .default(30)
    .describe('Time for a JSON body to arrive, and the longest silence within a streamed one'),
  header_timeout_seconds: seconds(600).default(10).describe('Time for the headers of a request to arrive'),
  max_connections: z.int().min(1).max(1_000_000).default(4096).describe('Connections at once'),
  max_connections_per_address: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(256)
    .describe(
      'Of them from one address without valid credentials, an IPv6 /64 being one; 0 for no limit, such as behind a proxy',
    ),
  shutdown: z.enum(['leave', 'stop']).default('leave').describe('What becomes of running VMs at a graceful shutdown'),
  drain_seconds: seconds(600)
    .default(10)
    .describe('Time for commands and requests to end at a graceful shutdown; new ones are refused meanwhile'),
});

const networkingSchema = z.strictObject({
  allow_internet: z.boolean().default(true).describe('false: VMs that ask for network are refused'),
  default_policy: policyNameSchema
    .default('all')
    .describe('Network policy of VMs that name none: all, none, or a policy with a name; see docs/policy.md'),
  ready_slots: z
    .int()
    .min(0)
    .max(256)
    .default(2)
    .describe('Network slots kept ready for the next VMs; as root on Linux, see docs/networking.md'),
  max_visits_per_address: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(128)
    .describe('Connections from one address to the ports of one VM; 0 for no limit, such as behind a proxy'),
  first_byte_seconds: z
    .number()
    .min(1)
    .max(day)
    .default(300)
    .describe('Time for a server in a VM to begin its answer, from the last that came of the request'),
  allow_host_ports: z.boolean().default(true).describe('false: VMs that ask for a port on the host are refused'),
});

const resourcesSchema = z.strictObject({
  max_vms: z.int().min(0).max(100_000).default(0).describe('VMs that run at once; 0 for no limit'),
  max_memory_mb: z.int().min(0).max(1_048_576).default(0).describe('Memory of one VM; 0 for no limit'),
  max_vcpus: z.int().min(0).max(64).default(0).describe('CPUs of one VM; 0 for no limit'),
  default_timeout_seconds: seconds(30 * day)
    .default(300)
    .describe('Time to live of a VM that names none; 0 for none'),
  default_idle_timeout_seconds: seconds(30 * day)
    .default(0)
    .describe('Idle limit of a VM that names none; 0 for never'),
});

const poolSchema = z.strictObject({
  size: z
    .union([z.literal('auto'), z.int().min(0).max(256)])
    .default('auto')
    .describe(
      'Clones kept ready for the next VMs: auto for one of each template below, and as many of any shape as recent demand needs; or that many of each template; 0 for none',
    ),
  max: z.int().min(0).max(256).default(8).describe('Clones in all'),
  templates: z
    .array(z.string().min(1).max(64))
    .max(32)
    .default(['base'])
    .describe('Templates for which clones are kept ready without any demand, once they are built'),
});

const securitySchema = z.strictObject({
  api_key: apiKeySchema.optional().describe('The admin key; made at the first start when not given'),
  token_seconds: seconds(30 * day)
    .default(3600)
    .describe('Life of a login token'),
  login_attempts: z.int().min(1).max(1000).default(5).describe('Wrong passwords before a user name is locked'),
  lockout_seconds: seconds(day).default(900),
  rate_limit_per_minute: z
    .int()
    .min(0)
    .max(10_000_000)
    .default(60_000)
    .describe('Requests of one principal; 0 for no limit'),
  failed_auth_per_minute: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(120)
    .describe('Wrong credentials from one address; 0 for no limit'),
  cors_origins: z
    .array(z.string().min(1).max(255))
    .max(100)
    .default([])
    .describe('Origins whose pages may call; empty: none'),
});

const tracesSchema = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .describe('OTLP/HTTP collector, such as http://127.0.0.1:4318; /v1/traces is added'),
});

const webhookSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .describe('Events are sent there by POST, as JSON'),
  secret: z
    .string()
    .min(16)
    .max(256)
    .optional()
    .describe('The header Nova-Signature is sha256= and the HMAC of the body with it'),
  events: z
    .array(eventKindSchema)
    .min(1)
    .max(64)
    .default(['network.approval_needed'])
    .describe('Types of events, or their part before the dot'),
});

const monitoringSchema = z.strictObject({
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  traces: tracesSchema.optional().describe('OpenTelemetry traces; OTEL_* variables count for more'),
  webhook: webhookSchema.optional().describe('An address that events are sent to, see docs/policy.md'),
  public_metrics: z.boolean().default(false).describe('/metrics without credentials'),
  interval_seconds: z.number().min(1).max(3600).default(15).describe('How often VMs are measured'),
  history_samples: z.int().min(1).max(10_000).default(240).describe('Measurements kept of each VM'),
});

/**
 * All settings of `nova serve`, with their defaults. The file, the environment and the flags are all parsed by this
 * schema.
 */
export const serverConfigSchema = z.strictObject({
  server: serverSchema.prefault({}),
  networking: networkingSchema.prefault({}),
  resources: resourcesSchema.prefault({}),
  pool: poolSchema.prefault({}),
  security: securitySchema.prefault({}),
  monitoring: monitoringSchema.prefault({}),
});
export type ServerConfig = z.output<typeof serverConfigSchema>;
export type ServerConfigInput = z.input<typeof serverConfigSchema>;
