import { parse, secretsSchema, type SecretInfo, type SecretInput } from '@novasandbox/protocol';
import type { SandboxService } from '@novasandbox/engine/services';
import type { NetworkOptions } from './network.ts';

/** Secrets of ours with such names are rules of E2B's. */
const ruleName = /^e2b_rule_\d+$/;

/**
 * The secrets that E2B's rules mean: each header of a host is one, which requests to the host get, and which the guest
 * has no placeholder for. The last word of a header is the secret.
 * @throws NovaError `invalid_argument` for headers and hosts that secrets cannot have
 */
export function secretsOfRules(rules: NetworkOptions['rules']): SecretInput[] {
  const headers = Object.entries(rules ?? {}).flatMap(([host, each]) =>
    each.flatMap(({ transform }) =>
      Object.entries(transform.headers).map(([header, text]) => ({ host, header, text })),
    ),
  );
  const secrets = headers.map(({ host, header, text }, index): SecretInput => {
    const [, before = '', value = text] = /^(.* )?(\S+)$/.exec(text) ?? [];
    return {
      name: `e2b_rule_${index}`,
      value,
      hosts: [{ host }],
      inject: { header, format: `${before}{}` },
      env: null,
    };
  });
  parse(secretsSchema, secrets, 'network.rules');
  return secrets;
}

/** Replaces all rules of a sandbox. */
export async function replaceRules(
  sandboxes: Pick<SandboxService, 'secrets' | 'setSecret' | 'removeSecret'>,
  id: string,
  rules: NetworkOptions['rules'],
): Promise<void> {
  const wanted = secretsOfRules(rules);
  const names = new Set(wanted.map(({ name }) => name));
  const isOver = ({ name }: SecretInfo): boolean => ruleName.test(name) && !names.has(name);
  for (const { name } of (await sandboxes.secrets(id)).filter(isOver)) await sandboxes.removeSecret(id, name);
  for (const { name, ...settings } of wanted) await sandboxes.setSecret(id, name, settings);
}
