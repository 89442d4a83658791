import { isDeepStrictEqual } from 'node:util';
import { getDomain } from 'tldts';
import { networkPolicySchema, parse, type Contact, type NetworkPolicy, type PolicyRule } from '@novasandbox/protocol';

/** So many names below one name are taken together as all names below it. */
const siblingsOfWildcard = 3;
/** A rule lists no more methods and paths than this; beyond that it allows all of them. */
const mostMethods = 8;
const mostPaths = 16;
const mostRules = 256;

type Allowance = Omit<PolicyRule, 'action' | 'ports'> & { readonly ports: number[] };

/**
 * The smallest policy that allows the contacts, and nothing else that it can leave out: exact names and ports; all
 * names below one only where three of them were reached, and never all those below a name under which anybody may
 * register one, such as co.uk or github.io.
 */
export function policyFor(contacts: readonly Contact[]): NetworkPolicy {
  const single = together(contacts.map(allowanceFor), (allowance) => ({ ...allowance, ports: [] }));
  const rules = together(withWildcards(single), (same) => same)
    .toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
    .map((allowance): PolicyRule => ({ action: 'allow', ...allowance }));
  // Beyond that nobody would read them; what is missing is denied, and told.
  return parse(networkPolicySchema, { rules: rules.slice(0, mostRules) }, 'The learned policy');
}

const nameOf = ({ host, cidr }: Allowance): string => host ?? cidr ?? '';

function allowanceFor({ host, address, port, requests }: Contact): Allowance {
  const target = host === null ? { cidr: address ?? '' } : { host };
  // Within HTTPS there are no requests to be seen.
  if (requests.length === 0 || port === 443) return { ...target, ports: [port] };
  const methods = [...new Set(requests.map(({ method }) => method))].toSorted();
  const paths = outermost([...new Set(requests.map(({ path }) => path))]);
  return {
    ...target,
    ports: [port],
    ...(methods.length > mostMethods || !methods.every((each) => /^[A-Z][A-Z-]{0,31}$/.test(each)) ? {} : { methods }),
    ...(paths.length > mostPaths || paths.includes('/') || !paths.every(isPlain) ? {} : { paths }),
  };
}

/** A rule can name it (policy/rule.ts). */
const isPlain = (path: string): boolean => /^\/[\x21-\x7e]*$/.test(path) && !/[%\\]|\/\.{1,2}(?:\/|$)/.test(path);

/** The paths without those that lie below another of them. */
const outermost = (paths: readonly string[]): string[] =>
  paths.filter((path) => !paths.some((other) => other !== path && path.startsWith(other))).toSorted();

/** Joins the ports of allowances that are the same otherwise, in the eyes of `kind`. */
function together(allowances: readonly Allowance[], kind: (allowance: Allowance) => unknown): Allowance[] {
  const joined: Allowance[] = [];
  for (const each of allowances) {
    const same = joined.find((other) => isDeepStrictEqual(kind(other), kind(each)));
    if (same === undefined) joined.push({ ...each, ports: [...each.ports] });
    else same.ports.push(...each.ports.filter((port) => !same.ports.includes(port)));
  }
  for (const { ports } of joined) ports.sort((one, other) => one - other);
  return joined;
}

function withWildcards(allowances: readonly Allowance[]): Allowance[] {
  const siblings = (each: Allowance): Allowance[] => {
    const parent = parentOf(each.host);
    if (parent === null) return [];
    return allowances.filter(
      (other) => parentOf(other.host) === parent && isDeepStrictEqual({ ...other, host: '' }, { ...each, host: '' }),
    );
  };
  return allowances.map((each) =>
    siblings(each).length < siblingsOfWildcard ? each : { ...each, host: `*.${parentOf(each.host) ?? ''}` },
  );
}

/** The name that a name lies below, where one party has registered it and so all names below it. */
function parentOf(host: string | undefined): string | null {
  if (host === undefined) return null;
  const parent = host.slice(host.indexOf('.') + 1);
  return getDomain(parent, { allowPrivateDomains: true }) === null ? null : parent;
}
