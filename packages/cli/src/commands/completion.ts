import { Argument, type Command } from 'commander';
import { completionScripts } from '../completion/scripts.ts';

export function define(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(completionScripts)))
    .addHelpText(
      'after',
      `
Completes verbs, options, templates and the names of sandboxes.

Examples:
  source <(nova completion bash)                                 in ~/.bashrc
  nova completion zsh > "\${fpath[1]}/_nova"
  nova completion fish > ~/.config/fish/completions/nova.fish`,
    )
    .action((shell: keyof typeof completionScripts) => {
      process.stdout.write(completionScripts[shell]);
    });
}
