import { InvalidArgumentError } from 'commander';

/** The same default as docker's: Ctrl-P, then Ctrl-Q. */
export const defaultDetachKeys: readonly number[] = [0x10, 0x11];

const controls = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/** Converts keys such as `ctrl-p,ctrl-q` or `x` to bytes. */
export function parseDetachKeys(text: string): readonly number[] {
  return text.split(',').map((key) => {
    const control = controls.indexOf(/^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase() ?? 'none');
    if (control >= 0) return control;
    if (!/^[\x20-\x7e]$/.test(key)) throw new InvalidArgumentError('Give keys such as ctrl-p,ctrl-q.');
    return key.charCodeAt(0);
  });
}
