import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';

/** Shows the presets, with the hosts and ports that each stands for. */
export async function showPresets({ json = false }: { readonly json?: boolean }): Promise<void> {
  const { presets } = await import('@novasandbox/engine');
  if (json) return printJson(presets);
  const rows = Object.entries(presets).map(([name, { about, hosts }]) => {
    const shown = hosts.map(({ host, ports }) => `${host}:${ports.join(',')}`);
    return [name, about, shown.join(' ')];
  });
  process.stdout.write(renderTable(['PRESET', 'FOR', 'HOSTS'], rows));
}
