import { readsTls, type NetworkPolicy, type PolicyRule, type Ports } from '@novasandbox/protocol/policy';
import { rangeOf, type Range } from './addresses.ts';
import { presets } from './presets.ts';

interface PortRange {
  readonly first: number;
  readonly last: number;
}

interface HostPattern {
  readonly host: string;
  /** Null: every port. */
  readonly ports: readonly PortRange[] | null;
}

/** A rule in the form in which it is applied. */
export interface CompiledRule {
  readonly allows: boolean;
  /** How decisions name it. */
  readonly text: string;
  /** Null: the rule is about addresses. */
  readonly hosts: readonly HostPattern[] | null;
  readonly range: Range | null;
  readonly ports: readonly PortRange[] | null;
  readonly methods: ReadonlySet<string> | null;
  readonly paths: readonly string[] | null;
  /** Whether what goes over TLS to its hosts has to be read. */
  readonly intercepts: boolean;
}

export interface CompiledPolicy {
  readonly policy: NetworkPolicy;
  readonly rules: readonly CompiledRule[];
}

export const compile = (policy: NetworkPolicy): CompiledPolicy => ({
  policy,
  // Rules about other protocols are refused before (requireSupported).
  rules: policy.rules.filter(({ protocol = 'tcp' }) => protocol === 'tcp').map(compileRule),
});

function compileRule(rule: PolicyRule): CompiledRule {
  const ports = rule.ports?.map(portRange) ?? null;
  return {
    allows: rule.action === 'allow',
    text: rule.name ?? textOf(rule),
    hosts: hostsOf(rule, ports),
    range: rule.cidr === undefined ? null : rangeOf(rule.cidr),
    ports: rule.cidr === undefined ? null : ports,
    methods: rule.methods === undefined ? null : new Set(rule.methods),
    paths: rule.paths ?? null,
    intercepts: readsTls(rule),
  };
}

function hostsOf({ host, preset }: PolicyRule, ports: readonly PortRange[] | null): HostPattern[] | null {
  if (host !== undefined) return [{ host: host.toLowerCase(), ports }];
  if (preset === undefined) return null;
  return presets[preset].hosts.map((each) => ({ host: each.host, ports: ports ?? each.ports.map(portRange) }));
}

function portRange(ports: Ports): PortRange {
  const [first = 0, last = first] = String(ports).split('-').map(Number);
  return { first, last };
}

/** A rule as one line, such as `allow api.example.com:443 GET /v1`. */
function textOf({ action, host, cidr, preset, ports, methods, paths }: PolicyRule): string {
  const target = host ?? cidr ?? `preset ${preset ?? ''}`;
  const at = ports === undefined ? '' : `:${ports.join(',')}`;
  return [action, `${target}${at}`, methods?.join(','), paths?.join(',')]
    .filter((each) => each !== undefined)
    .join(' ');
}
