import type { Placed } from '../secrets/secret-set.ts';
import type { Head } from '../secrets/place.ts';
import type { Target, Verdict } from '../policy/judge.ts';
import type { Accepted } from './accepted.ts';
import type { Filter, Meter } from './pump.ts';

/** A connection to a server over TLS, which a guest's connection is for and which is read between them. */
export interface SecurePlace {
  /** The name that the guest wanted and that the server's certificate is valid for. */
  readonly host: string;
  readonly port: number;
  /** Where the server is. */
  readonly address: string;
  /** Whether somebody was asked about the host and has allowed it. */
  readonly approved: boolean;
}

/** A connection of a guest with requests in it. */
export interface Visit {
  readonly accepted: Accepted;
  /** Null: the requests are plain. */
  readonly secure: SecurePlace | null;
  /** Fires when the connection has ended. */
  readonly gone: AbortSignal;
}

export const protocolOf = ({ secure }: Visit): 'http' | 'https' => (secure === null ? 'http' : 'https');

/** A request that may be sent on, with the values of its secrets. */
export interface Admitted {
  readonly verdict: Verdict;
  /** The addresses to connect to for a plain request. */
  readonly addresses: readonly string[];
  readonly approved: boolean;
  readonly placed: Placed;
}

/** Judges a request, and puts the values of secrets into its head. */
export async function admit(
  { accepted: { box }, secure, gone }: Visit,
  target: Target,
  head: Head,
): Promise<Admitted | { readonly refused: Verdict; readonly approved: boolean }> {
  const { verdict, addresses, approved } =
    secure === null
      ? await box.route(target, gone)
      : // The connection is there, and its address was judged; other rules may hold for this request.
        {
          verdict: box.judgeAt({ ...target, address: secure.address, approved: secure.approved }),
          addresses: [],
          approved: secure.approved,
        };
  if (!verdict.allowed) return { refused: verdict, approved };
  const placed = box.secrets.place(head, placeOf(target, secure));
  return 'refused' in placed ? { ...placed, approved } : { verdict, addresses, approved, placed };
}

export const placeOf = ({ host, port }: Target, secure: SecurePlace | null) => ({
  host,
  port,
  isVerified: secure !== null,
});

/** Counts bytes against the caps of the sandbox and the budgets of secrets. */
export const meterOf =
  ({ accepted: { box } }: Visit, secrets: readonly string[]): Meter =>
  (bytes) =>
    box.secrets.countBytes(secrets, bytes) ? box.caps.count(bytes) : null;

/** Tells of placeholders in the body of a request. */
export function watchBody(visit: Visit, target: Target): Filter | undefined {
  const { box } = visit.accepted;
  const tell = (name: string): void => {
    const verdict: Verdict = { allowed: true, code: 'secret_in_body', rule: `secret ${name}`, byAddress: false };
    box.tell(verdict, target, protocolOf(visit));
  };
  return box.secrets.watch(tell) ?? undefined;
}
