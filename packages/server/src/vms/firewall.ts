import { randomBytes } from 'node:crypto';
import {
  builtInPolicies,
  isBuiltInPolicy,
  NovaError,
  parse,
  policyRuleSchema,
  type NetworkPolicy,
  type PolicyRule,
} from '@novasandbox/protocol';
import type { createFirewallRuleSchema, FirewallRule } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import type { Services } from '../context.ts';

/**
 * Firewall rules of a VM are rules of its network policy, in the order in which they were added. Their names tell them
 * from the others.
 */
const prefix = 'firewall-';

type Asked = z.output<typeof createFirewallRuleSchema>;
type Sandboxes = Pick<Services['sandboxes'], 'config' | 'setPolicy'>;

/** The firewall rules of VMs. */
export interface Firewall {
  list(sandboxes: Sandboxes, id: string): Promise<FirewallRule[]>;
  /** Adds a rule after those that are there, in force at once. */
  add(sandboxes: Sandboxes, id: string, asked: Asked): Promise<FirewallRule>;
  /** Removes a rule. A policy that has become that of a VM without one is none any more. Throws `not_found`. */
  remove(sandboxes: Sandboxes, id: string, name: string): Promise<void>;
}

export function createFirewall(): Firewall {
  const turns = new Map<string, Promise<unknown>>();
  /** Changes of one VM's rules follow one another, so that none is lost. */
  const inTurn = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    const before = turns.get(id) ?? Promise.resolve();
    const running = before.then(work, work);
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    turns.set(id, settled);
    try {
      return await running;
    } finally {
      if (turns.get(id) === settled) turns.delete(id);
    }
  };
  return {
    async list(sandboxes, id) {
      const rules = (await ownPolicyOf(sandboxes, id))?.rules ?? [];
      return rules.flatMap((rule) => (rule.name?.startsWith(prefix) === true ? [toWire(rule, rule.name)] : []));
    },
    async add(sandboxes, id, asked) {
      const rule = ruleOf(asked);
      return inTurn(id, async () => {
        const policy = (await ownPolicyOf(sandboxes, id)) ?? refuseShared();
        await sandboxes.setPolicy(id, { ...policy, rules: [...policy.rules, rule] });
        return toWire(rule, rule.name);
      });
    },
    remove: (sandboxes, id, name) =>
      inTurn(id, async () => {
        const policy = await ownPolicyOf(sandboxes, id);
        const rules = policy?.rules.filter((rule) => rule.name !== name || !name.startsWith(prefix)) ?? [];
        if (policy === null || rules.length === policy.rules.length)
          throw new NovaError('not_found', `The VM has no firewall rule "${name}".`, {
            hint: 'List its rules with GET /vms/{id}/network/firewall-rules.',
          });
        const isOpen = rules.length === 0 && policy.otherwise === 'allow';
        await sandboxes.setPolicy(id, isOpen ? 'all' : { ...policy, rules });
      }),
  };
}

/** Null: the VM names a policy that somebody has made, which has no firewall rules of one VM. */
async function ownPolicyOf(sandboxes: Sandboxes, id: string): Promise<NetworkPolicy | null> {
  const { policy = 'all' } = await sandboxes.config(id);
  if (typeof policy !== 'string') return policy;
  return isBuiltInPolicy(policy) ? builtInPolicies[policy] : null;
}

function refuseShared(): never {
  throw new NovaError('conflict', 'The VM names a policy that other VMs may have too.', {
    hint: 'Change that policy with PUT /network/policies/{policy}, or give the VM a policy of its own.',
  });
}

function ruleOf({ rule_type, action, protocol, dest_ip, dest_port, ...others }: Asked): PolicyRule & { name: string } {
  if (rule_type === 'port_forward')
    throw new NovaError('not_implemented', 'rule_type: a firewall rule forwards no port.', {
      hint: 'Use POST /vms/{id}/network/port-forwards.',
    });
  if (others.source_ip !== undefined || others.source_port !== undefined)
    throw new NovaError('not_implemented', 'Rules about the source are not there: a VM has one address.', {
      hint: 'Leave source_ip and source_port out. What comes in comes by forwarded ports alone.',
    });
  if (action !== undefined && (action === 'ACCEPT') !== (rule_type === 'allow'))
    throw new NovaError('invalid_argument', `action: ${action} contradicts the rule_type ${rule_type}.`);
  const rule = {
    action: rule_type,
    ...(dest_ip === undefined ? { host: '*' } : { cidr: dest_ip }),
    ...(dest_port === undefined ? {} : { ports: [dest_port] }),
    ...(protocol === 'tcp' ? {} : { protocol }),
  };
  return { ...parse(policyRuleSchema, rule, 'firewall rule'), name: `${prefix}${randomBytes(6).toString('hex')}` };
}

const toWire = ({ action, protocol = 'tcp', cidr, ports }: PolicyRule, id: string): FirewallRule => ({
  id,
  rule_type: action,
  protocol,
  dest_ip: cidr ?? null,
  dest_port: ports?.[0] ?? null,
});
