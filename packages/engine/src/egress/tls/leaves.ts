import { createSecureContext, type SecureContext } from 'node:tls';
import { issuerOf } from '../../certificates/authority.ts';
import type { Authority } from '../../ports/egress.ts';

/** TLS settings with a certificate for one name, signed by the authority of a sandbox. */
export interface LeafContexts {
  contextFor(name: string): SecureContext;
}

/** Settings are made anew after a day, long before the certificate runs out. */
const keptMs = 86_400_000;
/** The settings that are kept of one sandbox; the ones used longest ago go first. */
const mostKept = 64;

export function leafContexts(authority: Authority): LeafContexts {
  const issuer = issuerOf(authority);
  const kept = new Map<string, { readonly context: SecureContext; readonly madeAt: number }>();
  return {
    contextFor(name) {
      const found = kept.get(name);
      kept.delete(name);
      const isUsable = found !== undefined && Date.now() - found.madeAt < keptMs;
      const entry = isUsable ? found : { context: contextWith(issuer.issueFor(name)), madeAt: Date.now() };
      kept.set(name, entry);
      const oldest = kept.keys().next();
      if (kept.size > mostKept && oldest.done === false) kept.delete(oldest.value);
      return entry.context;
    },
  };
}

const contextWith = ({ certificate, key }: Authority): SecureContext => createSecureContext({ cert: certificate, key });
