import { printable } from '@novasandbox/protocol/visible';
import type { PolicyOptions } from '../args/policy.ts';
import { printJson } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';
import { chosenPolicy } from './chosen-policy.ts';

export interface TryOptions extends PolicyOptions {
  readonly method?: string;
  readonly json?: boolean;
}

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'ssh:': 22 };

/** Says what a policy does with an address on the web, and ends with 1 where it denies it. */
export async function tryPolicy(text: string, { method = 'GET', json = false, ...options }: TryOptions): Promise<void> {
  const policy = await chosenPolicy(options);
  const { explain } = await import('@novasandbox/engine');
  const explanation = explain(policy, wishOf(text, method.toUpperCase()));
  if (!explanation.allowed) process.exitCode = 1;
  if (json) return printJson(explanation);
  const { allowed, code, rule, at, remedy } = explanation;
  const where = at === 'name' ? ' The guest gets no address for the name.' : '';
  const what = allowed ? `allowed by ${rule}` : `denied: ${code} (${rule}).${where}`;
  process.stdout.write(`${printable([what, ...(remedy === null ? [] : [remedy])].join('\n'))}\n`);
}

/** `https://host/path`, `tcp://host:port`, or a host alone, which is meant as HTTPS. */
function wishOf(text: string, method: string) {
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `https://${text}`);
  } catch {
    throw new UsageError(`${text} is no address, such as https://api.example.com/path or tcp://db.example.com:5432.`);
  }
  const port = url.port === '' ? defaultPorts[url.protocol] : Number(url.port);
  if (port === undefined || url.hostname === '') throw new UsageError(`${text} names no host with a port.`);
  const request = url.protocol === 'tcp:' ? undefined : { method, path: url.pathname };
  return { host: url.hostname, port, request, tls: url.protocol === 'https:' };
}
