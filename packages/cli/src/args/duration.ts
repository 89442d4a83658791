import { InvalidArgumentError } from 'commander';

const milliseconds: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Parses `500`, `500ms`, `30s`, `5m`, `2h`, `1d` or a sum such as `1h30m` to milliseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|)/gy)];
  const whole = parts.map((part) => part[0]).join('') === text.trim() && parts.length > 0;
  const sum = parts.reduce((total, [, number, unit]) => total + Number(number) * (milliseconds[unit ?? ''] ?? NaN), 0);
  // The last number of `1h30` could mean milliseconds or minutes, so it is refused.
  const clear = parts.length === 1 || parts.every(([, , unit]) => unit !== '');
  if (!whole || !clear || !Number.isFinite(sum)) {
    throw new InvalidArgumentError('Give a time such as 30s, 5m, 1h30m, or milliseconds.');
  }
  return Math.round(sum);
}
