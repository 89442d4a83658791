import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';

/**
 * Each check takes 16 MiB and about 50 ms: the strongest of OWASP's recommended scrypt parameters that a daemon of
 * 150 MiB can afford. turns.ts runs one check at a time.
 */
const costs = { N: 1 << 14, r: 8, p: 5 } as const;
const bytes = 32;

function derived(password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

/**
 * Formatted as `scrypt$N$r$p$salt$hash`: the parameters are stored with each password, so that they can be raised
 * later.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derived(password, salt, costs);
  return ['scrypt', costs.N, costs.r, costs.p, salt.toString('base64'), key.toString('base64')].join('$');
}

export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [, N, r, p, salt = '', key = ''] = stored.split('$');
  const given = await derived(password, Buffer.from(salt, 'base64'), { N: Number(N), r: Number(r), p: Number(p) });
  return timingSafeEqual(given, Buffer.from(key, 'base64'));
}
