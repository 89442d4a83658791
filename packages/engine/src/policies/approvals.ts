import {
  approvalAnswerSchema,
  everything,
  NovaError,
  parse,
  within,
  type Approval,
  type ApprovalAnswer,
  type ApprovalAnswerInput,
  type NetworkPolicy,
  type PolicyRule,
  type Scope,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { sessionAnswers } from '../guest/governance.ts';
import type { ApprovalRecord, SandboxRecord } from '../ports/store.ts';
import { changePolicy, governAnew } from '../sandbox/change-policy.ts';
import { findSandbox } from '../sandbox/find.ts';
import type { ApprovalFilter, CallContext } from '../services.ts';
import { toApproval } from './info.ts';
import { changeNamedPolicy } from './named.ts';

/** How long an answer for one connection waits for it, s. */
const onceForSeconds = 600;

/**
 * Records the questions that wait in the egress process, which may end before they are answered; returns the ids of
 * those that were not known.
 */
export async function noteQuestions({ store, network }: EngineContext): Promise<string[]> {
  const questions = await network.questions();
  return questions.flatMap((question) => (store.noteQuestion(question) ? [question.id] : []));
}

/** The questions of sandboxes, oldest first. */
export async function listApprovals(
  context: EngineContext,
  { sandbox, pending = false }: ApprovalFilter = {},
  scope: Scope = everything,
): Promise<Approval[]> {
  await noteQuestions(context);
  const of = sandbox === undefined ? undefined : (await findSandbox(context, sandbox, scope)).id;
  const { store } = context;
  const seen = new Set(store.listSandboxes().flatMap((each) => (within(scope, each) ? [each.id] : [])));
  return store
    .listApprovals(of)
    .filter(({ sandboxId }) => seen.has(sandboxId))
    .map(toApproval)
    .filter(({ answer }) => !pending || answer === null);
}

/**
 * Answers a question. Connections that are held for it go on at once, and later ones find the answer; those that an
 * earlier answer has allowed end where this one denies them.
 */
export async function answerApproval(
  context: EngineContext,
  id: string,
  input: ApprovalAnswerInput,
  { signal }: CallContext = {},
): Promise<Approval> {
  const answer = parse(approvalAnswerSchema, input, 'answer');
  await noteQuestions(context);
  const question = context.store.findApproval(id);
  if (question === null) throw noQuestion(id);
  const sandbox = await findSandbox(context, question.sandboxId);
  if (answer.scope === 'always' && answer.forSeconds !== undefined)
    throw new NovaError('invalid_argument', 'A time does not go with always: a rule of a policy has no end.', {
      hint: 'Leave out the time, or answer for the session.',
    });
  if (answer.scope === 'always') await addRule(context, sandbox, ruleFor(question, answer), signal);
  if (answer.scope === 'once' && sandbox.state !== 'running' && sandbox.state !== 'paused')
    throw new NovaError('sandbox_not_running', `The sandbox ${sandbox.name ?? sandbox.id} is ${sandbox.state}.`, {
      hint: 'Answer for the session, or always: an answer for one connection does not outlive a run.',
    });
  const { action, scope, forSeconds = scope === 'once' ? onceForSeconds : null } = answer;
  const untilMs = forSeconds === null ? null : Date.now() + forSeconds * 1000;
  const answered = context.store.answerApproval(id, { answer: action, scope, untilMs });
  if (answered === null) throw noQuestion(id);
  const answers = [
    ...sessionAnswers(context.store.listApprovals(sandbox.id)),
    ...(scope === 'once' ? [{ id, action, once: true, untilMs }] : []),
  ];
  if (!(await context.network.answer(sandbox.id, answers))) {
    // The egress process has ended. It gets answers for a session with the policy, when it serves the sandbox again.
    await governAnew(context, sandbox.id, signal);
    if (scope === 'once') await context.network.answer(sandbox.id, answers);
  }
  return toApproval(answered);
}

const noQuestion = (id: string): NovaError =>
  new NovaError('not_found', `There is no question ${id.slice(0, 64)}.`, {
    hint: 'List those that wait for an answer with `nova policy pending`.',
  });

/** Only what no rule is about is asked, so that its place among the rules does not matter. */
const ruleFor = ({ host, address, port }: ApprovalRecord, { action }: ApprovalAnswer): PolicyRule => ({
  action,
  ...(host === null ? { cidr: address ?? '' } : { host }),
  ports: [port],
});

/** Adds a rule to the policy of a sandbox: to its own, or to the one that it names, for all that name it. */
async function addRule(
  context: EngineContext,
  { id, owner, config: { policy } }: SandboxRecord,
  rule: PolicyRule,
  signal: AbortSignal | undefined,
): Promise<void> {
  const more = ({ rules, ...same }: NetworkPolicy): NetworkPolicy => ({ ...same, rules: [...rules, rule] });
  if (policy !== undefined && typeof policy !== 'string') {
    await changePolicy(context, id, more(policy), { signal });
    return;
  }
  const named = policy === undefined ? null : context.store.policyNamed(policy, owner);
  if (named === null) throw new NovaError('conflict', 'The policy of the sandbox asks nobody any more.');
  if (named.owner !== owner)
    throw new NovaError('forbidden', `The policy ${named.name} belongs to the host, and others have it too.`, {
      hint: 'Answer for the session, or have an administrator change the policy.',
    });
  await changeNamedPolicy(context, named.id, more(named.policy), { signal });
}
