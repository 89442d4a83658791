import { isIPv4 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { builtInPolicies, type Decision, type NetworkPolicy, type PinnedNames } from '@novasandbox/protocol/policy';
import type { ServedSecret } from '@novasandbox/protocol';
import type { Answer, Authority } from '../ports/egress.ts';
import { contactTable, type ContactTable } from './contacts.ts';
import type { QueryForwarding } from './dns/forward.ts';
import type { MemberNames } from './dns/member-names.ts';
import { decisionLog, type DecisionLog } from './decision-log.ts';
import { pinnedNameTable, type PinnedNameTable } from './dns/pinned-names.ts';
import type { NameResolution } from './dns/resolve.ts';
import type { Surroundings } from './policy/addresses.ts';
import { compile, type CompiledPolicy } from './policy/compile.ts';
import { judge, judgeAddress, needsReading, type Target, type Verdict } from './policy/judge.ts';
import { remedyFor } from './policy/remedy.ts';
import { capsOf, type Caps } from './proxy/caps.ts';
import { questionsOf, type Questions } from './questions.ts';
import type { Tidings } from './tidings.ts';
import { secretSet, type SecretSet } from './secrets/secret-set.ts';
import { leafContexts, type LeafContexts } from './tls/leaves.ts';
import type { UpstreamTls } from './tls/upstream.ts';

/** The parts that all sandboxes share. */
export interface Outside {
  readonly resolution: NameResolution;
  readonly surroundings: Surroundings;
  readonly tidings: Tidings;
  readonly tls: UpstreamTls;
  readonly queries: QueryForwarding;
  readonly members: MemberNames;
}

/** Something that is under way and allowed by the policy, which may change. */
export interface Passage {
  readonly target: Target & { readonly address: string };
  readonly protocol: Decision['protocol'];
  /** Whether it is TLS that is passed on unread, so that it ends when it has to be read. */
  readonly unread?: boolean;
  /** The secrets whose values it has, so that it ends when one is removed. */
  readonly secrets?: readonly string[];
  /** Ends it at once. */
  end(): void;
}

/** A verdict with the addresses to connect to, of which there are some exactly where it allows. */
export interface Route {
  readonly verdict: Verdict;
  readonly addresses: readonly string[];
  /** Somebody was asked, and has allowed it. */
  readonly approved: boolean;
}

/** A sandbox as the proxy sees it: its policy, its names, and what is under way. */
export interface Box {
  readonly id: string;
  readonly policy: CompiledPolicy;
  /** Whether the policy is in force. Otherwise only its name queries come here, and are passed on. */
  readonly isGoverned: boolean;
  readonly names: PinnedNameTable;
  readonly caps: Caps;
  readonly tls: UpstreamTls;
  readonly secrets: SecretSet;
  /** Certificates for the hosts whose TLS is read; null: the guest trusts none of ours. */
  readonly leaves: LeafContexts | null;
  /** Whether what goes over TLS to that host and port is to be read. */
  reads(target: Target): boolean;
  readonly log: DecisionLog;
  readonly contacts: ContactTable;
  readonly questions: Questions;
  /** The addresses of a name; none where there is no such name. `limit`: too many are looked up at once. */
  lookUp(name: string): Promise<readonly string[] | 'failed' | 'limit'>;
  /** Judges an address that is about to be connected to. */
  judgeAt(target: Target & { readonly address: string }): Verdict;
  /**
   * Judges a target, resolves its name, and judges its addresses. Where the policy says so, somebody is asked first: it
   * waits some seconds for the answer, or until the client is `gone`.
   */
  route(target: Target, gone: AbortSignal): Promise<Route>;
  /** Records what was decided about a target. */
  tell(
    verdict: Verdict,
    target: Target,
    protocol: Decision['protocol'],
    secrets?: readonly string[],
  ): Omit<Decision, 'at'>;
  /** Records a passage, which ends when the policy no longer allows it: at once, or after a change. */
  enter(passage: Passage): Disposable;
  /** Called for each change of the policy. */
  onChange(listen: () => void): Disposable;
  /** Where the member of a private network is; null: there is none of that name. Undefined: it is no such name. */
  memberAt(name: string): string | null | undefined;
  readonly queries: QueryForwarding;
  change(how: Ruling): void;
  /** Puts answers in force, and ends what was allowed by an answer and is denied by another now. */
  answer(answers: readonly Answer[]): void;
  close(): void;
}

/** The rules that are in force for a sandbox. */
export interface Ruling {
  /** Null: it reaches everything by itself, and only its name queries come here. */
  readonly policy: NetworkPolicy | null;
  /** The authority that its guest trusts; null: none, so that no TLS can be read. */
  readonly authority: Authority | null;
  readonly secrets: readonly ServedSecret[];
}

/** How many names of one sandbox may be resolved at once. */
const mostLookups = 64;

export function makeBox(id: string, ruling: Ruling, names: PinnedNames, outside: Outside): Box {
  const passages = new Set<Passage>();
  const listeners = new Set<() => void>();
  const log = decisionLog();
  const contacts = contactTable();
  const questions = questionsOf(id, (question) => outside.tidings.asked(question));
  let isGoverned = ruling.policy !== null;
  const policy = ruling.policy ?? builtInPolicies.all;
  const caps = capsOf(policy.limits);
  let compiled = compile(policy);
  let authority = ruling.authority;
  let leaves = authority === null ? null : leafContexts(authority);
  let secrets = secretSet(ruling.secrets);
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
    const isDenied = target.approved === true && questions.known(target) === 'deny';
    const verdict = judgeAt({ ...target, approved: target.approved === true && !isDenied });
    const isUnread = passage.unread === true && reads(target);
    const isWithout = !secrets.areUsable(passage.secrets ?? []);
    if (verdict.allowed && !isUnread && !isWithout) return;
    if (!verdict.allowed) tell(verdict, target, protocol);
    passage.end();
  };
  const reads: Box['reads'] = (target) => secrets.reads(target) || needsReading(compiled, target);
  const judgeAt: Box['judgeAt'] = (target) => judgeAddress(compiled, target, outside.surroundings);
  const tell: Box['tell'] = (verdict, { host, address, port, request }, protocol, used = []) => {
    const decision: Omit<Decision, 'at'> = {
      sandbox: id,
      // A connection that nobody answers was allowed nevertheless.
      action: verdict.allowed || verdict.code === 'unreachable' ? 'allow' : 'deny',
      rule: verdict.rule,
      host,
      address,
      port,
      protocol,
      ...(typeof request === 'object' ? request : {}),
      code: verdict.code,
      ...(verdict.approval === undefined ? {} : { approval: verdict.approval }),
      ...(used.length === 0 ? {} : { secrets: [...used] }),
      remedy: remedyFor(verdict, { host, address, port }),
    };
    const entry = log.add(decision);
    if (entry.action === 'deny') outside.tidings.denied(entry);
    else if (verdict.allowed && protocol !== 'dns') contacts.note(entry);
    return decision;
  };
  /** Judges by the rules, and asks where they leave it open. */
  const judgeOrAsk = async (target: Target, gone: AbortSignal): Promise<Verdict> => {
    for (;;) {
      const verdict = judge(compiled, target);
      if (verdict.code !== 'approval_needed') return verdict;
      const { host, address } = target;
      // Nobody can allow these by an answer, so nobody is asked.
      if (host === null && address !== null && !outside.surroundings.isPublic(address))
        return { ...verdict, code: 'internal_address', rule: 'internal', byAddress: true };
      const approval = questions.idOf(target);
      const outcome = await questions.ask(target, gone);
      if (outcome === 'again') continue;
      if (outcome === 'allow') return { ...judge(compiled, { ...target, approved: true }), approval };
      if (outcome === 'deny') return { ...verdict, code: 'denied', rule: 'approval', approval };
      return outcome === 'full' ? { ...verdict, code: 'limit', rule: 'approval' } : { ...verdict, approval };
    }
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
    tls: outside.tls,
    get leaves() {
      return leaves;
    },
    reads,
    get secrets() {
      return secrets;
    },
    log,
    contacts,
    questions,
    lookUp,
    judgeAt,
    tell,
    async route(target, gone) {
      const { host, address } = target;
      if (address === null && host === null) return refused(judge(compiled, target), 'unknown_address');
      const verdict = await judgeOrAsk(target, gone);
      if (!verdict.allowed) return { verdict, addresses: [], approved: false };
      const { approval } = verdict;
      const routed = (found: readonly string[]): Route => {
        // The policy may have changed meanwhile.
        const wanted = { ...target, approved: approval !== undefined };
        return routeOf(
          found.map((each) => ({ address: each, verdict: { ...judgeAt({ ...wanted, address: each }), approval } })),
        );
      };
      if (host === null || verdict.byAddress)
        return address === null ? refused(verdict, 'unknown_address') : routed([address]);
      const found = await lookUp(host);
      if (found === 'limit') return refused(verdict, 'limit');
      if (found === 'failed' || found.length === 0) return refused(verdict, 'unreachable');
      return routed(found);
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
    change(next) {
      isGoverned = next.policy !== null;
      const wanted = next.policy ?? builtInPolicies.all;
      compiled = compile(wanted);
      caps.change(wanted.limits);
      secrets = secretSet(next.secrets, secrets.uses());
      if (!isDeepStrictEqual(next.authority, authority)) {
        authority = next.authority;
        leaves = authority === null ? null : leafContexts(authority);
      }
      for (const listen of listeners) listen();
      for (const passage of passages) judgeAgain(passage);
      questions.changed();
    },
    answer(answers) {
      questions.answer(answers);
      for (const passage of passages) judgeAgain(passage);
    },
    close() {
      outside.tidings.forget(id);
      for (const passage of passages) passage.end();
      log.close();
    },
  };
}

const refused = (verdict: Verdict, code: Verdict['code']): Route => ({
  verdict: { ...verdict, allowed: false, code, rule: code === 'limit' ? 'limits' : verdict.rule },
  addresses: [],
  approved: false,
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
  const { verdict } = first;
  return {
    verdict,
    addresses: allowed.map(({ address }) => address),
    approved: verdict.allowed && verdict.approval !== undefined,
  };
}

const byIPv4First = (one: Judged, other: Judged): number => Number(isIPv4(other.address)) - Number(isIPv4(one.address));
