import { runCommand } from '../images/command.ts';
import { table } from './rules.ts';
import { whyNoSlots } from './probe.ts';

/**
 * A chain of somebody else's that drops what the host passes on unless it says otherwise (Docker, ufw and firewalld have one): guests in slots then reach
 * nothing. A verdict of ours cannot lift it. Null: none was found.
 */
export async function whatDropsForwarded(): Promise<string | null> {
  if (whyNoSlots() !== null) return null;
  let where = '';
  let chain = '';
  for (const line of (await runCommand('nft', ['list', 'chains'])).split('\n')) {
    where = /^table (\S+ \S+)/.exec(line)?.[1] ?? where;
    chain = /^\s+chain (\S+)/.exec(line)?.[1] ?? chain;
    if (where !== table && /hook forward\b.*policy drop/.test(line)) return `table ${where}, chain ${chain}`;
  }
  return null;
}
