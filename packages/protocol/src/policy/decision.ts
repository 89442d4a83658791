import * as z from 'zod';

/** The reasons of decisions. */
export const decisionCodes = [
  /** A rule, or `otherwise`, allows it. */
  'allowed',
  /** A rule denies it, or whoever was asked. */
  'denied',
  /** No rule allows it, and `otherwise` is `deny`. */
  'not_allowed',
  /** No rule is about it, `otherwise` is `ask`, and nobody has answered yet. */
  'approval_needed',
  /** It leads to the host, a sandbox or a private network, and no rule names the address. */
  'internal_address',
  /** Connection to an address that no name was given, without a name of its own. */
  'unknown_address',
  /** The guest has sent no proper query, TLS handshake or HTTP request. */
  'malformed',
  /** Something that the proxy never does, such as CONNECT. */
  'unsupported',
  /** A cap of the policy, or of the proxy, is reached. */
  'limit',
  /** It is allowed, but the name has no address, or nobody answers there. */
  'unreachable',
  /** It is allowed, but the server's certificate is not valid for the name. */
  'untrusted',
  /** A request within TLS is for another host than the connection. */
  'misdirected',
  /** A request has the placeholder of a secret in a place, or for a host, that the secret is not for. */
  'secret_misplaced',
  /** A request has the placeholder of a secret that was removed. */
  'secret_removed',
  /** The budget of a secret is used up. */
  'secret_spent',
  /** The body of a request has the placeholder of a secret, and was passed on as it is. */
  'secret_in_body',
  /** The answer is encoded in a way in which secrets cannot be looked for. */
  'unreadable',
] as const;
export type DecisionCode = (typeof decisionCodes)[number];

/** A decision about a connection, a request or a name query of a guest, with its reason. */
export const decisionSchema = z.object({
  at: z.iso.datetime(),
  sandbox: z.string(),
  action: z.enum(['allow', 'deny']),
  /** The name or text of the rule; `otherwise`, `internal`, or `limits` where no rule decided. */
  rule: z.string(),
  host: z.string().nullable(),
  address: z.string().nullable(),
  /** 53 for name queries. */
  port: z.int(),
  /** `https`: a request within TLS that the proxy reads; `tls`: TLS that it passes on unread. */
  protocol: z.enum(['tcp', 'tls', 'http', 'https', 'dns']),
  method: z.string().optional(),
  path: z.string().optional(),
  code: z.enum(decisionCodes),
  /** The id of the question whose answer decided, or that waits for one. */
  approval: z.string().optional(),
  /** The secrets whose values the request was given. */
  secrets: z.array(z.string()).optional(),
  /** The change that would allow it; null where it was allowed, or where nothing can be changed. */
  remedy: z.string().nullable(),
});
export type Decision = z.infer<typeof decisionSchema>;

/** The most names that a sandbox is given addresses for. */
export const maxPinnedNames = 4096;

/**
 * The names that a guest was given addresses for, with these addresses. Guests keep them beyond any time to live, so
 * they are kept with snapshots and forks.
 */
export const pinnedNamesSchema = z
  .array(z.strictObject({ name: z.string().min(1).max(253), address: z.string().max(15) }))
  .max(maxPinnedNames);
export type PinnedNames = z.infer<typeof pinnedNamesSchema>;
