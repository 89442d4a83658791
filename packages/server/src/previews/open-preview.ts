import { NovaError } from '@novasandbox/protocol';
import type { ServerConfig } from '../config/schema.ts';
import { agentPort } from '../agent-port.ts';
import type { NewPreview, PreviewRow, Previews } from './previews.ts';
import { previewUrl } from './token-places.ts';

interface Place {
  readonly previews: Previews;
  readonly config: Pick<ServerConfig, 'server'>;
  readonly listening: { readonly port: number | null };
}

/**
 * Makes an address that opens one port of a VM to whoever has it. The token is told only here.
 * @throws NovaError `invalid_argument` for the port of the agent API, `conflict` where the VM has too many
 */
export function openPreview(
  { previews, config, listening }: Place,
  vmId: string,
  wanted: NewPreview,
): { readonly preview: PreviewRow; readonly token: string; readonly url: string } {
  const { port } = wanted;
  if (port === agentPort)
    throw new NovaError('invalid_argument', `port: ${port} is that of the agent API, which has tokens of its own.`);
  const { preview, token } = previews.add(vmId, wanted);
  const { tls, domain } = config.server;
  const origin = `${tls === undefined ? 'http' : 'https'}://${port}-${vmId}.${domain}:${listening.port}`;
  return { preview, token, url: previewUrl(origin, token) };
}
