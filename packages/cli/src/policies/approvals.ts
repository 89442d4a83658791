import { Option, type Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Approval, ApprovalAnswerInput } from '@novasandbox/protocol';
import { parseDuration } from '../args/duration.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';

interface AnswerOptions {
  readonly scope?: ApprovalAnswerInput['scope'];
  readonly for?: number;
  readonly json?: boolean;
}

/** Adds the verbs for questions about connections. */
export function defineApprovals(command: Command): void {
  command
    .command('pending')
    .description('List the connections that sandboxes with "otherwise": "ask" wait for.')
    .argument('[sandbox]', 'id, beginning of the id, or name; default: all')
    .option('-a, --all', 'also those that were answered')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova policy pending')
    .action((ref: string | undefined, options: { readonly all?: boolean; readonly json?: boolean }) =>
      pending(ref, options),
    );
  addAnswerOptions(command.command('approve'))
    .description('Let a connection through that a sandbox waits for, and the next ones as far as --scope goes.')
    .addHelpText('after', '\nExample:\n  nova policy approve 0f3c… --scope session --for 1h')
    .action((id: string, options: AnswerOptions) => answer(id, 'allow', options));
  addAnswerOptions(command.command('deny'))
    .description('Deny a connection that a sandbox waits for, and the next ones as far as --scope goes.')
    .addHelpText('after', '\nExample:\n  nova policy deny 0f3c… --scope session')
    .action((id: string, options: AnswerOptions) => answer(id, 'deny', options));
}

const scopes = ['once', 'session', 'always'] as const;

const addAnswerOptions = (command: Command): Command =>
  command
    .argument('<id>', 'of the question, as "nova policy pending" and the denial show it')
    .addOption(
      new Option(
        '--scope <scope>',
        'once: one connection; session: as long as the sandbox exists; always: as a rule of its policy (default: once)',
      ).choices(scopes),
    )
    .option(
      '--for <time>',
      'how long the answer holds, such as 1h (default: 10m for once, else without an end)',
      parseDuration,
    )
    .option('--json', 'print the question with its answer as JSON');

async function pending(
  sandbox: string | undefined,
  { all = false, json = false }: { readonly all?: boolean; readonly json?: boolean },
): Promise<void> {
  await using engine = await openEngine();
  const approvals = await engine.policies.approvals({ sandbox, pending: !all });
  if (json) return printJson(approvals);
  const rows = approvals.map((each) => [each.id, each.sandboxId, targetOf(each), each.askedAt, answerOf(each)]);
  process.stdout.write(renderTable(['ID', 'SANDBOX', 'TO', 'ASKED', 'ANSWER'], rows));
}

const targetOf = ({ host, address, port }: Approval): string => `${host ?? address ?? '-'}:${port}`;

const answerOf = ({ answer: given, scope, expiresAt }: Approval): string =>
  given === null ? '-' : `${given} ${scope ?? ''}${expiresAt === null ? '' : ` until ${expiresAt}`}`;

async function answer(
  id: string,
  action: ApprovalAnswerInput['action'],
  { scope = 'once', for: forMs, json = false }: AnswerOptions,
): Promise<void> {
  await using engine = await openEngine();
  const forSeconds = forMs === undefined ? {} : { forSeconds: forMs / 1000 };
  const answered = await engine.policies.answer(id, { action, scope, ...forSeconds });
  if (json) printJson(answered);
  else process.stdout.write(`${printable(`${targetOf(answered)}: ${answerOf(answered)}`)}\n`);
}
