import type { Command } from 'commander';
import type { PolicyChoiceInput } from '@novasandbox/protocol';
import { UsageError } from '../usage-error.ts';
import { readSmallFile } from './small-file.ts';

/** The network policy that the options ask for. */
export interface PolicyOptions {
  readonly net?: string | undefined;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

const largestBytes = 1 << 20;
const words = 'api.example.com, *.example.com, example.com:443, 192.0.2.0/24 or preset:github; may be repeated';

/** Adds the options whose words become rules. */
export function addRuleOptions(command: Command): Command {
  const more = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];
  return command
    .option('--allow <host>', `let the guest reach this, and nothing else without --net all: ${words}`, more)
    .option('--deny <host>', `keep the guest from reaching this, also where a rule allows it: ${words}`, more);
}

/**
 * The policy that the options ask for: a name, or a policy with rules of `--allow` and `--deny`. Without `--net`, what
 * is allowed is all that is reachable, and where something is denied alone, all else is.
 * @throws UsageError `invalid_argument`
 */
export async function choosePolicy({ net, allow, deny }: PolicyOptions): Promise<PolicyChoiceInput | undefined> {
  const named = net === undefined ? undefined : fromFile(net);
  if (allow === undefined && deny === undefined) return named;
  const { builtInPolicies, isBuiltInPolicy, networkPolicySchema, parse, policyOf } =
    await import('@novasandbox/protocol');
  const from = named ?? (allow === undefined ? 'all' : 'none');
  if (typeof from === 'string' && !isBuiltInPolicy(from))
    throw new UsageError(`--allow and --deny go with none, all or a file, and not with the policy ${from}.`);
  const base = typeof from === 'string' ? builtInPolicies[from] : parse(networkPolicySchema, from, '--net');
  return policyOf({ base, allow: allow ?? [], deny: deny ?? [] });
}

function fromFile(text: string): PolicyChoiceInput {
  if (!text.includes('/') && !text.endsWith('.json')) return text;
  try {
    return JSON.parse(readSmallFile(text, largestBytes)) as PolicyChoiceInput;
  } catch (error) {
    throw new UsageError(`--net: ${text} holds no policy: ${error instanceof Error ? error.message : String(error)}`);
  }
}
