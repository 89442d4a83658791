import type { RateLimits } from '@novasandbox/protocol';
import { InvalidArgumentError } from 'commander';

type Device = keyof RateLimits;

const bytes: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Adds the limit of a device per second: `disk=20m`, `network=500ops`, or both kinds separated by a comma. */
export function parseRateLimit(text: string, before: RateLimits = {}): RateLimits {
  const [device = '', rates = '', ...rest] = text.split('=');
  if (!isDevice(device) || rest.length > 0) throw refusal();
  const limit: { bytesPerSecond?: number; operationsPerSecond?: number } = {};
  for (const rate of rates.split(',')) {
    const [, count = '', unit = ''] = /^(\d+(?:\.\d+)?)(k|m|g|ops)?$/i.exec(rate.trim()) ?? [];
    const name = unit.toLowerCase() === 'ops' ? 'operationsPerSecond' : 'bytesPerSecond';
    const value = Number(count) * (bytes[unit.toLowerCase()] ?? 1);
    if (count === '' || !Number.isInteger(value) || limit[name] !== undefined) throw refusal();
    limit[name] = value;
  }
  return { ...before, [device]: limit };
}

const isDevice = (word: string): word is Device => word === 'disk' || word === 'network';

const refusal = () =>
  new InvalidArgumentError(
    'Give it as disk=20m or network=1m,500ops: bytes with k, m or g, or operations, in a second.',
  );
