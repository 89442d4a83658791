import { runCommand } from '../programs/command.ts';
import { table } from './rules.ts';
import { whyNoSlots } from './probe.ts';

/**
 * Finds a chain of another program that by default drops the packets that the host forwards (Docker, ufw and firewalld
 * have one). Guests in slots then reach nothing, and a verdict of ours cannot override it. Null: none was found.
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
