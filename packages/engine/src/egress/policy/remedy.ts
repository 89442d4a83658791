import type { PresetName } from '@novasandbox/protocol';
import type { Target, Verdict } from './judge.ts';
import { coversName } from './names.ts';
import { presets } from './presets.ts';

/** Says what to change so that the target is allowed; null where it is, or where nothing can be changed. */
export function remedyFor({ allowed, code, rule, approval }: Verdict, { host, address }: Target): string | null {
  if (allowed) return null;
  const target = host ?? `${address ?? ''}/32`;
  switch (code) {
    case 'approval_needed':
      return approval === undefined
        ? 'Somebody is asked when it is connected to; a rule in the policy decides without asking.'
        : `Have somebody allow it with \`nova policy approve ${approval}\`, and try again.`;
    case 'denied':
      if (approval !== undefined) return `Somebody has denied it; \`nova policy approve ${approval}\` allows it.`;
      return `Remove the rule "${rule}", or put one that allows ${target} before it.`;
    case 'not_allowed': {
      const preset = host === null ? undefined : presetWith(host);
      const also = preset === undefined ? '' : ` The preset ${preset} has it too.`;
      return `Allow it with --allow ${target}, or with a rule for it in the policy of the sandbox.${also}`;
    }
    case 'internal_address':
      return `It leads to the host or to a private network. If the sandbox may reach ${address ?? 'it'}, allow it with --allow ${address ?? 'ADDRESS'}/32.`;
    case 'unknown_address':
      return `Connect by a name that the policy allows, or allow the address with --allow ${address ?? 'ADDRESS'}/32.`;
    case 'limit':
      return 'Raise the limits of the policy, or open fewer connections.';
    case 'secret_misplaced':
      return `The placeholder of the ${rule} stands for its value only in its positions, over HTTPS, and for its hosts.`;
    case 'secret_removed':
      return `Set the ${rule} again with \`nova secret set\`.`;
    case 'secret_spent':
      return `Raise the budget of the ${rule}.`;
    case 'untrusted':
      return 'See whether the name is right. A server with a certificate of an authority of your own needs NOVA_EXTRA_CA.';
    case 'misdirected':
      return `Connect to the other host by its own name.`;
    case 'unreachable':
      return 'See whether the name and the port are right, and whether the host itself reaches them.';
    default:
      return null;
  }
}

const presetWith = (host: string): PresetName | undefined =>
  (Object.keys(presets) as PresetName[]).find((name) =>
    presets[name].hosts.some((each) => coversName(each.host, host)),
  );
