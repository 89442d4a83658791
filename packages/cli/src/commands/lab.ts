import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { commandWords } from '../args/command-options.ts';
import { parseMemorySize } from '../args/memory-size.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { fromCheckout } from '../from-checkout.ts';
import { Interrupts } from '../process/interrupts.ts';
import { streamProcess } from '../process/stream-process.ts';
import { terminalSize } from '../process/terminal.ts';
import { showProgress } from '../render/progress.ts';

interface Options {
  readonly memory: number;
  readonly vcpus: number;
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

/** Enough for ten small guests at once and the programs that test them. */
const defaultMemoryMb = 4096;
/** Emulated processors wait for each other, so more of them cost more than they bring. */
const mostVcpus = 4;

export function define(command: Command): void {
  command
    .argument('[command...]', 'command and its arguments; default: the tests of the drivers on KVM')
    .option('--memory <size>', "the lab's memory", parseMemorySize, defaultMemoryMb)
    .option('--vcpus <number>', "the lab's processors", parseWholeNumber, Math.min(availableParallelism(), mostVcpus))
    .option('-i, --interactive', 'pass stdin to the command')
    .option('-t, --tty', 'give the command a terminal')
    .passThroughOptions()
    .description(
      `Runs a command of this checkout in an emulated machine that has KVM: hypervisors that need KVM run there on any x86 Linux, slowly.`,
    )
    .addHelpText(
      'after',
      `
The lab sees the checkout as it is (read-only, at /nova), this Node and its modules, Debian's QEMU, and the hypervisors that NOVA_FIRECRACKER,
NOVA_JAILER and NOVA_CLOUD_HYPERVISOR name, \`nova setup\` has installed, or the PATH holds; the files that NOVA_CLOUDHV_FIRMWARE and NOVA_UEFI_DISK name
are added for the tests of firmware. It has no network. Files written in it are lost when the command ends. The exit code is the command's;
125: the lab failed. The first run builds its root image. Without a command each part of the suite runs in a lab of its own, and is
repeated up to three times if QEMU's emulation fails. QEMU 11 lasts longer than 7.2; the one in the PATH is taken.

Examples:
  nova lab
  NOVA_FIRECRACKER=./firecracker nova lab
  nova lab -- node --test tests/e2e/clones.test.ts
  nova lab -it -- bash`,
    )
    .action((words: string[], options: Options) => run(commandWords(words), options));
}

async function run(
  words: readonly string[],
  { memory, vcpus, interactive = false, tty = false }: Options,
): Promise<void> {
  const { inLab } = await fromCheckout('lab', () => import('@novasandbox/lab'));
  const { kvmSuite, runParts } = await fromCheckout('lab', () => import('@novasandbox/lab/suite'));
  using interrupts = new Interrupts();
  using progress = showProgress();
  const { signal } = interrupts;
  try {
    const inOne = (argv: readonly string[]): Promise<number> =>
      inLab({ memoryMb: memory, vcpus, signal, progress: progress.sink }, async (lab) => {
        await using attached = await lab.exec(
          {
            argv,
            env: process.stdout.isTTY || tty ? { TERM: process.env['TERM'] ?? 'xterm-256color', FORCE_COLOR: '1' } : {},
            stdin: interactive,
            pty: tty ? terminalSize() : undefined,
          },
          { signal },
        );
        const exit = await streamProcess(attached, { interactive, tty, interrupts });
        return exit.exitCode;
      });
    // A command given by the caller is not run twice.
    process.exitCode =
      words.length > 0
        ? await inOne(words)
        : await runParts(kvmSuite, inOne, {
            onLost: (reason) => process.stderr.write(`nova: ${printable(reason)}\nnova: it is run again\n`),
            isOver: () => interrupts.asked,
          });
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
