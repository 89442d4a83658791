import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '@novasandbox/engine';
import { printable } from '@novasandbox/protocol/visible';
import type { Interrupts } from '../process/interrupts.ts';
import { newText } from '../render/new-text.ts';
import { printJson } from '../render/json.ts';
import { lastLinesOf } from './last-lines.ts';

const pollMs = 300;

export interface WhichLog {
  /** Show the hypervisor's own log instead of the console. */
  readonly vmm: boolean;
  readonly follow: boolean;
  readonly tail: number | undefined;
  readonly json: boolean;
  readonly sizeMib: number;
}

/** Shows the console of a sandbox or the log of its hypervisor, and the reason if the console is empty. */
export async function showConsole(
  engine: Engine,
  ref: string,
  { vmm, follow, tail, json, sizeMib }: WhichLog,
  { signal }: Interrupts,
): Promise<void> {
  const read = () => engine.sandboxes.logs(ref, { bytes: sizeMib * 1024 * 1024 });
  if (json) return printJson(await read());
  const show = (text: string): void => void process.stdout.write(process.stdout.isTTY ? printable(text) : text);
  const first = await read();
  if (!vmm && first.note !== null) process.stderr.write(`nova: ${printable(first.note)}\n`);
  let seen = vmm ? first.vmm : first.console;
  show(tail === undefined ? seen : lastLinesOf(seen, tail));
  while (follow && !signal.aborted) {
    const { state } = await engine.sandboxes.get(ref);
    if (state === 'stopped' || state === 'failed') return;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    const all = await read();
    const text = vmm ? all.vmm : all.console;
    show(newText(seen, text));
    seen = text;
  }
}
