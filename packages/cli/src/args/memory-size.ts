import { InvalidArgumentError } from 'commander';

const mebibytes: Readonly<Record<string, number>> = { '': 1, m: 1, g: 1024, t: 1024 * 1024 };

/** Parses `512`, `512m` or `2g` to MiB (KiB and fractions only if they make whole MiB). */
export function parseMemorySize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(k|m|g|t)?i?b?$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() ?? '';
  const size = Number(match?.[1]) * (unit === 'k' ? 1 / 1024 : (mebibytes[unit] ?? NaN));
  if (!Number.isInteger(size)) throw new InvalidArgumentError('Give MiB, or a number with m or g: 512, 512m, 2g.');
  return size;
}
