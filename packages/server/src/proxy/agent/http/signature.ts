import { createHash } from 'node:crypto';

export type Operation = 'read' | 'write';

/**
 * The signature of a signed URL and the values that it covers. Path and user are as the URL has them, before anything
 * is resolved.
 */
export interface Signed {
  readonly path: string;
  readonly operation: Operation;
  readonly user: string;
  readonly signature: string;
  /** Seconds since 1970, as written in the URL; null when the signature does not expire. */
  readonly expiration: string | null;
}

export function signatureOf({ path, operation, user, expiration }: Omit<Signed, 'signature'>, token: string): string {
  const text = `${path}:${operation}:${user}:${token}${expiration === null ? '' : `:${expiration}`}`;
  return `v1_${createHash('sha256').update(text).digest('base64').replaceAll('=', '')}`;
}

/** Reads the signature from the query of `/files`; null when there is none. */
export function signedRequest(query: URLSearchParams, operation: Operation): Signed | null {
  const signature = query.get('signature');
  if (signature === null) return null;
  return {
    path: query.get('path') ?? '',
    operation,
    user: query.get('username') ?? '',
    signature,
    expiration: query.get('signature_expiration'),
  };
}

export function hasExpired({ expiration }: Signed, nowMs: number): boolean {
  return expiration !== null && !(Number(expiration) * 1000 > nowMs);
}
