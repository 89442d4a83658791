import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { everything, maxNamedPolicies, networkPolicySchema, NovaError, parse, within } from '@novasandbox/protocol';
import type { ApprovalRecord, PolicyRecord, Store } from '../ports/store.ts';
import { parseJson } from './parse-json.ts';

/** The store's layout of policies with names, and of questions about connections (see `steps` of sqlite.ts). */
export const policyTables = `
  CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    owner TEXT,
    name TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX policies_by_name ON policies (name, ifnull(owner, ''));
  CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    sandbox TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX approvals_by_sandbox ON approvals (sandbox, asked_at);
`;

/** The most questions of one sandbox, with their answers; the oldest are dropped, and those without answers first. */
const maxApprovals = 256;

const policyRecordSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  policy: networkPolicySchema,
  createdAtMs: z.number(),
  changedAtMs: z.number(),
});
const approvalRecordSchema = z.looseObject({
  id: z.string(),
  sandboxId: z.string(),
  host: z.string().nullable(),
  address: z.string().nullable(),
  port: z.int(),
  askedAtMs: z.number(),
  answer: z.enum(['allow', 'deny']).nullable(),
  scope: z.enum(['once', 'session', 'always']).nullable(),
  untilMs: z.number().nullable(),
});

const holds = ({ scope, untilMs }: ApprovalRecord): boolean =>
  scope === 'session' && (untilMs === null || untilMs > Date.now());

type Row = Readonly<Record<string, unknown>>;
const policyOf = (row: Row): PolicyRecord => parse(policyRecordSchema, parseJson(String(row['record'])), 'record');
const approvalOf = (row: Row): ApprovalRecord =>
  parse(approvalRecordSchema, parseJson(String(row['record'])), 'record');

export interface PolicyStore extends Pick<
  Store,
  | 'addPolicy'
  | 'findPolicy'
  | 'policyNamed'
  | 'listPolicies'
  | 'changePolicy'
  | 'removePolicy'
  | 'sandboxesUnder'
  | 'noteQuestion'
  | 'findApproval'
  | 'listApprovals'
  | 'answerApproval'
> {
  /** Forgets the questions of a sandbox, within the transaction that removes it. */
  readonly forgetApprovals: (sandboxId: string) => void;
}

export function policiesIn(prepare: (sql: string) => StatementSync, transaction: <T>(work: () => T) => T): PolicyStore {
  const select = (where: string, ...values: string[]): PolicyRecord[] =>
    prepare(`SELECT record FROM policies WHERE ${where} ORDER BY name, id`)
      .all(...values)
      .map(policyOf);
  const approvals = (where: string, ...values: string[]): ApprovalRecord[] =>
    prepare(`SELECT record FROM approvals WHERE ${where} ORDER BY asked_at, id`)
      .all(...values)
      .map(approvalOf);
  const putApproval = (record: ApprovalRecord): void => {
    prepare('INSERT OR REPLACE INTO approvals (id, sandbox, asked_at, record) VALUES (?, ?, ?, ?)').run(
      record.id,
      record.sandboxId,
      record.askedAtMs,
      JSON.stringify(record),
    );
  };
  const policyNamed = (name: string, owner: string | null): PolicyRecord | null => {
    const namesakes = select('name = ?', name);
    const of = (whose: string | null) => namesakes.find((each) => each.owner === whose);
    return of(owner) ?? of(null) ?? null;
  };
  const sandboxesUnder = ({ id, name }: Pick<PolicyRecord, 'id' | 'name'>): string[] =>
    prepare(
      `SELECT id, owner FROM sandboxes WHERE iif(json_valid(record), json_extract(record, '$.config.policy'), NULL) = ?
       ORDER BY sequence`,
    )
      .all(name)
      .filter((row) => policyNamed(name, row['owner'] as string | null)?.id === id)
      .map((row) => String(row['id']));

  return {
    addPolicy(policy) {
      transaction(() => {
        const { id, name, owner } = policy;
        const taken = policyNamed(name, owner);
        if (taken !== null)
          throw new NovaError(
            'conflict',
            taken.owner === owner
              ? `A network policy named "${name}" exists already.`
              : `The host has a network policy named "${name}", which all sandboxes may use.`,
            { hint: 'Change the policy that is there, or give this one another name.' },
          );
        if (select("ifnull(owner, '') = ?", owner ?? '').length >= maxNamedPolicies)
          throw new NovaError('conflict', `There are ${maxNamedPolicies} network policies already.`, {
            hint: 'Remove those that are not needed any more.',
          });
        prepare('INSERT INTO policies (id, owner, name, record) VALUES (?, ?, ?, ?)').run(
          id,
          owner,
          name,
          JSON.stringify(policy),
        );
      });
    },
    findPolicy(ref, scope = everything) {
      const seen = (where: string): PolicyRecord[] => select(where, ref).filter((record) => within(scope, record));
      const [exact] = seen('id = ?');
      if (exact !== undefined) return exact;
      const namesakes = seen('name = ?');
      const own = scope.of === 'one' ? undefined : namesakes.find(({ owner }) => owner === scope.owner);
      if (own === undefined && namesakes.length > 1)
        throw new NovaError('conflict', `"${ref}" is the name of ${namesakes.length} network policies.`, {
          hint: 'Name the policy by its id.',
        });
      return own ?? namesakes[0] ?? null;
    },
    policyNamed,
    listPolicies: () => select('1 = 1'),
    changePolicy(id, policy, nowMs) {
      return transaction(() => {
        const [record] = select('id = ?', id);
        if (record === undefined) return null;
        const changed = { ...record, policy, changedAtMs: nowMs };
        prepare('UPDATE policies SET record = ? WHERE id = ?').run(JSON.stringify(changed), id);
        return changed;
      });
    },
    removePolicy(id) {
      return transaction(() => {
        const [record] = select('id = ?', id);
        const uses = record === undefined ? [] : sandboxesUnder(record);
        if (uses.length === 0) prepare('DELETE FROM policies WHERE id = ?').run(id);
        return uses;
      });
    },
    sandboxesUnder,
    noteQuestion({ id, sandbox, host, address, port, askedAt }) {
      return transaction(() => {
        const askedAtMs = Date.parse(askedAt);
        const [known] = approvals('id = ?', id);
        // What was answered since it was asked is not asked any more, nor what an answer for the session holds for.
        if (known !== undefined && (known.answer === null || known.askedAtMs >= askedAtMs || holds(known)))
          return false;
        if (prepare('SELECT 1 FROM sandboxes WHERE id = ?').get(sandbox) === undefined) return false;
        putApproval({
          ...{ id, sandboxId: sandbox, host, address, port, askedAtMs },
          ...{ answer: null, scope: null, untilMs: null },
        });
        // A guest that asks a lot does not push out what somebody has answered.
        prepare(
          `DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE sandbox = ? AND id <> ?
           ORDER BY json_extract(record, '$.answer') IS NULL, asked_at DESC LIMIT -1 OFFSET ${maxApprovals - 1})`,
        ).run(sandbox, id);
        return true;
      });
    },
    findApproval: (id) => approvals('id = ?', id)[0] ?? null,
    listApprovals: (sandboxId) => (sandboxId === undefined ? approvals('1 = 1') : approvals('sandbox = ?', sandboxId)),
    answerApproval(id, answer) {
      return transaction(() => {
        const [record] = approvals('id = ?', id);
        if (record === undefined) return null;
        const answered = { ...record, ...answer };
        putApproval(answered);
        return answered;
      });
    },
    forgetApprovals(sandboxId) {
      prepare('DELETE FROM approvals WHERE sandbox = ?').run(sandboxId);
    },
  };
}
