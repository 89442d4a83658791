import { decisionCodes, decisionSchema, networkPolicySchema, pinnedNamesSchema } from '@novasandbox/protocol/policy';
import { maxSecrets, secretUseSchema, servedSecretSchema } from '@novasandbox/protocol/secrets';
import * as z from 'zod';
import type { Answer, Question, Tiding } from '../../ports/egress.ts';

/** The messages of the control socket: HTTP, one request a connection, with JSON. */
export const sandboxNameSchema = z.string().regex(/^[a-z0-9]{1,64}$/);
const answerSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  action: z.enum(['allow', 'deny']),
  once: z.boolean(),
  untilMs: z.number().nullable(),
}) satisfies z.ZodType<Answer>;
export const answersSchema = z.array(answerSchema).max(1024);
const questionSchema = z.object({
  id: z.string(),
  sandbox: z.string(),
  host: z.string().nullable(),
  address: z.string().nullable(),
  port: z.int(),
  askedAt: z.iso.datetime(),
}) satisfies z.ZodType<Question>;
export const questionsSchema = z.object({ questions: z.array(questionSchema) });
export const answeredSchema = z.object({ served: z.boolean() });
export const tidingSchema: z.ZodType<Tiding> = z.union([
  z.object({ kind: z.literal('asked'), question: questionSchema }),
  z.object({
    kind: z.literal('denied'),
    sandbox: z.string(),
    counts: z.array(z.object({ code: z.enum(decisionCodes), count: z.int() })),
    denials: z.array(z.object({ decision: decisionSchema, count: z.int() })),
    more: z.int(),
  }),
]);
const portSchema = z.int().min(1).max(65_535);
/** A sandbox has one at most today. */
const mostForwards = 64;
export const serveRequestSchema = z.strictObject({
  slot: z.union([
    z.int().min(1).max(8192),
    z.strictObject({
      process: z.int().min(1),
      forwards: z.array(z.strictObject({ hostPort: portSchema, guestPort: portSchema })).max(mostForwards),
    }),
  ]),
  /** Null: only its name queries come here. */
  policy: networkPolicySchema.nullable(),
  authority: z.strictObject({ certificate: z.string(), key: z.string() }).nullable().default(null),
  secrets: z.array(servedSecretSchema).max(maxSecrets).default([]),
  names: pinnedNamesSchema,
  answers: answersSchema,
  memberships: z.array(z.strictObject({ network: z.string(), name: z.string(), address: z.ipv4() })).max(64),
  hostnames: z.array(z.string()).max(8),
});
export const secretUsesSchema = z.record(z.string(), secretUseSchema);
export const failureSchema = z.object({ code: z.string(), message: z.string(), hint: z.string() });
export const servedSchema = z.object({ sandboxes: z.array(z.string()) });

/** The descriptor on which the process says that it is ready, or why it is not. */
export const startedDescriptor = 3;
/** The line that it writes there before it closes it. */
export const startedSchema = z.union([z.object({ ready: z.literal(true) }), z.object({ error: failureSchema })]);

/** A policy with all its rules and paths, or all names, is shorter. */
export const longestBody = 16 << 20;
