import type { Command } from 'commander';
import { configOptions, loadServerConfig, type ConfigFlags } from '../args/server-options.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command.description("Shows or checks the daemon's configuration.").addHelpText(
    'after',
    `
It comes from defaults, then the file, then variables NOVA_<SECTION>_<FIELD> such as NOVA_SERVER_PORT, then flags.

Examples:
  nova config show
  nova config validate --config ./nova.yaml`,
  );
  configOptions(command.command('show').summary('print the configuration as it comes out, secrets left out'))
    .description('Prints the configuration as it comes out, as JSON. Secrets are left out.')
    .action(async (flags: ConfigFlags) => {
      const { redacted } = await import('@novasandbox/server');
      printJson(redacted(await loadServerConfig(flags)));
    });
  configOptions(command.command('validate').summary('check the configuration; says what is wrong with which field'))
    .description('Checks the configuration. Ends with 1 and names the field when something is wrong.')
    .action(async (flags: ConfigFlags) => {
      const { checkFiles } = await import('@novasandbox/server');
      checkFiles(await loadServerConfig(flags));
      process.stdout.write('The configuration is valid.\n');
    });
}
