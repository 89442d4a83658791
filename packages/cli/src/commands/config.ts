import type { Command } from 'commander';
import { configOptions, loadServerConfig, type ConfigFlags } from '../args/server-options.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command.description("Shows or checks the daemon's configuration.").addHelpText(
    'after',
    `
Its values come from defaults, then the file, then variables NOVA_<SECTION>_<FIELD> such as NOVA_SERVER_PORT, then flags.

Examples:
  nova config show
  nova config validate --config ./nova.yaml`,
  );
  configOptions(command.command('show').summary('print the effective configuration without secrets'))
    .description('Prints the effective configuration as JSON, without secrets.')
    .action(async (flags: ConfigFlags) => {
      const { redacted } = await import('@novasandbox/server');
      printJson(redacted(await loadServerConfig(flags)));
    });
  configOptions(command.command('validate').summary('check the configuration and name the wrong fields'))
    .description('Checks the configuration. Ends with 1 and names the field when something is wrong.')
    .action(async (flags: ConfigFlags) => {
      const { checkFiles } = await import('@novasandbox/server');
      checkFiles(await loadServerConfig(flags));
      process.stdout.write('The configuration is valid.\n');
    });
}
