import * as z from 'zod';
import { cidrSchema, portsSchema } from '../policy/rule.ts';

/** Firewall rules of a VM, as other systems have them. Each is one rule of the VM's network policy. */
export const createFirewallRuleSchema = z.strictObject({
  rule_type: z.enum(['allow', 'deny', 'port_forward']).describe('port_forward is what port-forwards are for'),
  action: z
    .enum(['ACCEPT', 'DROP', 'REJECT'])
    .optional()
    .describe('The same in other words: ACCEPT allows, DROP and REJECT deny. What is denied is always answered'),
  protocol: z.enum(['tcp', 'udp', 'icmp']).default('tcp'),
  dest_ip: cidrSchema.optional().describe('An address or a range; default: everything'),
  dest_port: portsSchema.optional().describe('A port or a range such as 8000-8100; default: all'),
  source_ip: z.string().optional().describe('Not there: a VM has one address'),
  source_port: z.int().optional().describe('Not there'),
});

export const firewallRuleSchema = z.object({
  id: z.string(),
  rule_type: z.enum(['allow', 'deny']),
  protocol: z.enum(['tcp', 'udp', 'icmp']),
  dest_ip: z.string().nullable(),
  dest_port: portsSchema.nullable(),
});
export type FirewallRule = z.infer<typeof firewallRuleSchema>;
export const firewallRuleListSchema = z.object({ rules: z.array(firewallRuleSchema) });
