import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseMemorySize } from '../args/memory-size.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { newText } from '../render/new-text.ts';
import { printJson } from '../render/json.ts';
import { printable } from '@novasandbox/protocol/visible';

interface Options {
  readonly vmm?: boolean;
  readonly follow?: boolean;
  readonly size: number;
  readonly json?: boolean;
}

const pollMs = 300;

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option('--vmm', "the hypervisor's own log instead of the guest's console")
    .option('-f, --follow', 'go on until Ctrl-C or the end of the sandbox')
    .option('--size <size>', 'how much of its end: MiB', parseMemorySize, 1)
    .option('--json', 'both logs as JSON')
    .addHelpText(
      'after',
      `
The console is what the guest's kernel and agent print. Output of commands is not in it.

Examples:
  nova logs box
  nova logs --vmm box
  nova logs -f box`,
    )
    .action((ref: string, options: Options) => logs(ref, options));
}

async function logs(ref: string, { vmm = false, follow = false, size, json = false }: Options): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const read = () => engine.sandboxes.logs(ref, { bytes: size * 1024 * 1024 });
  if (json) return printJson(await read());
  const show = (text: string): void => void process.stdout.write(process.stdout.isTTY ? printable(text) : text);
  let seen = '';
  for (;;) {
    const all = await read();
    const text = vmm ? all.vmm : all.console;
    show(newText(seen, text));
    seen = text;
    if (!follow || interrupts.signal.aborted) return;
    const { state } = await engine.sandboxes.get(ref);
    if (state === 'stopped' || state === 'failed') return;
    await sleep(pollMs, undefined, { signal: interrupts.signal }).catch(() => undefined);
  }
}
