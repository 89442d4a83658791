import { isIPv4 } from 'node:net';
import { builtInPolicies, type Decision, type NetworkPolicy, type PinnedNames } from '@novasandbox/protocol';
import type { QueryForwarding } from './dns/forward.ts';
import type { MemberNames } from './dns/member-names.ts';
import { decisionLog, type DecisionLog } from './decision-log.ts';
import { pinnedNameTable, type PinnedNameTable } from './dns/pinned-names.ts';
import type { NameResolution } from './dns/resolve.ts';
import type { Surroundings } from './policy/addresses.ts';
import { compile, type CompiledPolicy } from './policy/compile.ts';
import { judge, judgeAddress, type Target, type Verdict } from './policy/judge.ts';
import { remedyFor } from './policy/remedy.ts';
import { capsOf, type Caps } from './proxy/caps.ts';

/** The parts that all sandboxes share. */
export interface Outside {
  readonly resolution: NameResolution;
  readonly surroundings: Surroundings;
  readonly queries: QueryForwarding;
  readonly members: MemberNames;
}

/** Something that is under way and allowed by the policy, which may change. */
export interface Passage {
  readonly target: Target & { readonly address: string };
  readonly protocol: Decision['protocol'];
  /** Ends it at once. */
  end(): void;
}

/** A verdict with the addresses to connect to, of which there are some exactly where it allows. */
export interface Route {
  readonly verdict: Verdict;
  readonly addresses: readonly string[];
}

/** A sandbox as the proxy sees it: its policy, its names, and what is under way. */
export interface Box {
  readonly id: string;
  readonly policy: CompiledPolicy;
  /** Whether the policy is in force. Otherwise only its name queries come here, and are passed on. */
  readonly isGoverned: boolean;
  readonly names: PinnedNameTable;
  readonly caps: Caps;
  readonly log: DecisionLog;
  /** The addresses of a name; none where there is no such name. `limit`: too many are looked up at once. */
  lookUp(name: string): Promise<readonly string[] | 'failed' | 'limit'>;
  /** Judges an address that is about to be connected to. */
  judgeAt(target: Target & { readonly address: string }): Verdict;
  /** Judges a target, resolves its name, and judges its addresses. */
  route(target: Target): Promise<Route>;
  /** Records what was decided about a target. */
  tell(verdict: Verdict, target: Target, protocol: Decision['protocol']): Omit<Decision, 'at'>;
  /** Records a passage, which ends when the policy no longer allows it: at once, or after a change. */
  enter(passage: Passage): Disposable;
  /** Called for each change of the policy. */
  onChange(listen: () => void): Disposable;
  /** Where the member of a private network is; null: there is none of that name. Undefined: it is no such name. */
  memberAt(name: string): string | null | undefined;
  readonly queries: QueryForwarding;
  change(policy: NetworkPolicy | null): void;
  close(): void;
}

/** How many names of one sandbox may be resolved at once. */
const mostLookups = 64;

export function makeBox(id: string, first: NetworkPolicy | null, names: PinnedNames, outside: Outside): Box {
  const passages = new Set<Passage>();
  const listeners = new Set<() => void>();
  const log = decisionLog();
  let isGoverned = first !== null;
  const policy = first ?? builtInPolicies.all;
  const caps = capsOf(policy.limits);
  let compiled = compile(policy);
  const lookups = new Map<string, Promise<readonly string[] | 'failed'>>();

  const lookUp: Box['lookUp'] = async (name) => {
    const asked = lookups.get(name);
    if (asked !== undefined) return asked;
    if (lookups.size >= mostLookups) return 'limit';
    const asking = outside.resolution.resolve(name).catch(() => 'failed' as const);
    lookups.set(name, asking);
    try {
      return await asking;
    } finally {
      lookups.delete(name);
    }
  };
  const judgeAgain = (passage: Passage): void => {
    const { target, protocol } = passage;
    const verdict = judgeAt(target);
    if (verdict.allowed) return;
    tell(verdict, target, protocol);
    passage.end();
  };
  const judgeAt: Box['judgeAt'] = (target) => judgeAddress(compiled, target, outside.surroundings);
  const tell: Box['tell'] = (verdict, { host, address, port, request }, protocol) => {
    const decision: Omit<Decision, 'at'> = {
      sandbox: id,
      // A connection that nobody answers was allowed nevertheless.
      action: verdict.allowed || verdict.code === 'unreachable' ? 'allow' : 'deny',
      rule: verdict.rule,
      host,
      address,
      port,
      protocol,
      ...request,
      code: verdict.code,
      remedy: remedyFor(verdict, { host, address, port }),
    };
    log.add(decision);
    return decision;
  };

  return {
    id,
    get policy() {
      return compiled;
    },
    get isGoverned() {
      return isGoverned;
    },
    memberAt: (name) => outside.members.find(id, name),
    queries: outside.queries,
    names: pinnedNameTable(names),
    caps,
    log,
    lookUp,
    judgeAt,
    tell,
    async route(target) {
      const verdict = judge(compiled, target);
      const { host, address } = target;
      if (address === null && host === null) return refused(verdict, 'unknown_address');
      if (!verdict.allowed) return { verdict, addresses: [] };
      if (host === null || verdict.byAddress) {
        if (address === null) return refused(verdict, 'unknown_address');
        return routeOf([{ address, verdict: judgeAt({ ...target, address }) }]);
      }
      const found = await lookUp(host);
      if (found === 'limit') return refused(verdict, 'limit');
      if (found === 'failed' || found.length === 0) return refused(verdict, 'unreachable');
      // The policy may have changed meanwhile.
      return routeOf(found.map((each) => ({ address: each, verdict: judgeAt({ ...target, address: each }) })));
    },
    enter(passage) {
      passages.add(passage);
      // The policy may have changed while it was connected.
      judgeAgain(passage);
      return {
        [Symbol.dispose]: () => void passages.delete(passage),
      };
    },
    onChange(listen) {
      listeners.add(listen);
      return {
        [Symbol.dispose]: () => void listeners.delete(listen),
      };
    },
    change(wanted) {
      isGoverned = wanted !== null;
      const next = wanted ?? builtInPolicies.all;
      compiled = compile(next);
      caps.change(next.limits);
      for (const listen of listeners) listen();
      for (const passage of passages) judgeAgain(passage);
    },
    close() {
      for (const passage of passages) passage.end();
      log.close();
    },
  };
}

const refused = (verdict: Verdict, code: Verdict['code']): Route => ({
  verdict: { ...verdict, allowed: false, code, rule: code === 'limit' ? 'limits' : verdict.rule },
  addresses: [],
});

interface Judged {
  readonly address: string;
  readonly verdict: Verdict;
}

/** The addresses that are allowed; where none is, the verdict is about the first. */
function routeOf(judged: readonly Judged[]): Route {
  const allowed = judged.filter(({ verdict }) => verdict.allowed);
  const [first] = [...allowed, ...judged.toSorted(byIPv4First)];
  if (first === undefined) throw new RangeError('A route has at least one address.');
  return { verdict: first.verdict, addresses: allowed.map(({ address }) => address) };
}

const byIPv4First = (one: Judged, other: Judged): number => Number(isIPv4(other.address)) - Number(isIPv4(one.address));
