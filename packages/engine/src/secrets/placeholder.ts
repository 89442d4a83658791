import { randomInt } from 'node:crypto';

/** The public beginnings of tokens, by which programs tell what they are. Nothing else of a value is shown. */
const prefixes = [
  ...['github_pat_', 'ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'glpat-', 'npm_', 'pypi-', 'dckr_pat_', 'hf_'],
  ...[
    'sk-ant-api03-',
    'sk-ant-oat01-',
    'sk-ant-',
    'sk-proj-',
    'sk-svcacct-',
    'sk-or-v1-',
    'sk-',
    'AIza',
    'gsk_',
    'xai-',
  ],
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'xoxb-', 'xoxp-', 'xapp-', 'AKIA', 'ASIA', 'eyJ', 'shpat_'],
];

/** So many random characters that none is found by chance. */
const leastRandom = 24;
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/**
 * A text that a guest has in place of a secret: as long as it, unless that is too short, and with the same prefix where
 * that says nothing but which service it is for.
 */
export function placeholderFor(value: string): string {
  const prefix = prefixes.find((each) => value.startsWith(each)) ?? '';
  const length = Math.max(leastRandom, value.length - prefix.length);
  return prefix + Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
