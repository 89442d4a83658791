import type { ApprovalFilter } from '@novasandbox/engine/services';
import type {
  Approval,
  ApprovalAnswerInput,
  Explanation,
  LearnedPolicy,
  NetworkPolicyInput,
  NewPolicyInput,
  PolicyChoiceInput,
  PolicyInfo,
  Wish,
} from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { withEngine, type ConnectionOptions } from '../connection.ts';

/**
 * Network policies with names, which sandboxes name as their `policy`, and the questions of those whose policy has
 * `otherwise: 'ask'`.
 *
 *     const policies = new NetworkPolicies();
 *     await policies.create({ name: 'web', policy: { rules: [{ action: 'allow', preset: 'npm' }] } });
 *     await using sandbox = await Sandbox.create({ policy: 'web' });
 */
export class NetworkPolicies {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** @throws NovaError `conflict` when its owner, or the host, has another one of that name */
  create(policy: NewPolicyInput): Promise<PolicyInfo> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.create(policy));
  }

  /**
   * Finds a policy by its name or its id.
   * @throws NovaError `not_found`
   */
  get(ref: string): Promise<PolicyInfo> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.get(ref));
  }

  list(): Promise<PolicyInfo[]> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.list());
  }

  /** Changes a policy for all sandboxes that name it. What it denies now ends at once in those that run. */
  change(ref: string, policy: NetworkPolicyInput): Promise<PolicyInfo> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.change(ref, policy));
  }

  /** @throws NovaError `conflict` while sandboxes name it, stopped ones included */
  remove(ref: string): Promise<void> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.remove(ref));
  }

  /** Says what a policy does with a destination, and why. Nothing is looked up or connected to. */
  test(policy: PolicyChoiceInput, to: Wish): Promise<Explanation> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.test(policy, to));
  }

  /**
   * Returns the smallest policy that allows what a sandbox was let through to since it runs under a policy, such as
   * `{ otherwise: 'allow' }`.
   * @throws NovaError `invalid_state` where it runs under none
   */
  learned(sandbox: string): Promise<LearnedPolicy> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.learned(sandbox));
  }

  /** Lists the questions about connections, with their answers, oldest first. */
  approvals(filter: ApprovalFilter = {}): Promise<Approval[]> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.approvals(filter));
  }

  /**
   * Answers a question by its id. Connections that are held for it go on at once, and later ones find the answer.
   * @throws NovaError `not_found`
   */
  answer(id: string, answer: ApprovalAnswerInput): Promise<Approval> {
    return withEngine(this.#options, (engine) => administrationOf(engine).policies.answer(id, answer));
  }
}
