import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Asset {
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** A release page's mirror on this machine. */
export interface ReleaseServer extends AsyncDisposable {
  /** The value for NOVA_MIRROR. */
  readonly url: string;
  readonly asked: string[];
  /** The served files, by path. */
  readonly assets: Map<string, Buffer>;
  /** Redirects, by path. */
  readonly redirects: Map<string, string>;
  /** Whether answers begin and never end. */
  stall: boolean;
  /** Whether answers break off in the middle. */
  breakOff: boolean;
  /** The length that answers announce, when it is not their real one. */
  announced: number | null;
}

export async function releaseServer(): Promise<ReleaseServer> {
  const assets = new Map<string, Buffer>();
  const asked: string[] = [];
  const redirects = new Map<string, string>();
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const location = redirects.get(request.url ?? '');
    if (location !== undefined) {
      response.writeHead(302, { location }).end();
      return;
    }
    const bytes = assets.get(request.url ?? '');
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': served.announced ?? bytes.length });
    if (!served.stall && !served.breakOff) response.end(bytes);
    else response.write(bytes.subarray(0, bytes.length / 2), () => served.breakOff && response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const served: ReleaseServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    assets,
    redirects,
    stall: false,
    breakOff: false,
    announced: null,
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
  return served;
}

/** A program that prints a version, as the VMM of that name does. */
const program = (said: string): string => `#!/bin/sh\n[ "$1" = --version ] && echo '${said}'\n`;

export function cloudHypervisorAsset(version: string): Asset {
  return assetOf(Buffer.from(program(`cloud-hypervisor v${version}`)));
}

/** An archive laid out as Firecracker's releases are. */
export async function firecrackerAsset(version: string, architecture: string, said = version): Promise<Asset> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-release-'));
  try {
    const release = `release-v${version}-${architecture}`;
    await mkdir(join(folder, release));
    for (const name of ['firecracker', 'jailer', 'seccompiler-bin']) {
      const file = join(folder, release, `${name}-v${version}-${architecture}`);
      await writeFile(file, program(`${name === 'jailer' ? 'Jailer' : 'Firecracker'} v${said}`));
      await chmod(file, 0o755);
    }
    const archive = join(folder, 'archive.tgz');
    execFileSync('tar', ['-czf', archive, '-C', folder, release]);
    return assetOf(await readFile(archive));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The same archive, in which a command has replaced Firecracker's program, `$1`. */
export async function hostileAsset(version: string, architecture: string, command: string): Promise<Asset> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-release-'));
  try {
    const archive = join(folder, 'archive.tgz');
    await writeFile(archive, (await firecrackerAsset(version, architecture)).bytes);
    const program = join(folder, `release-v${version}-${architecture}`, `firecracker-v${version}-${architecture}`);
    execFileSync('tar', ['-xzf', archive, '-C', folder]);
    execFileSync('sh', ['-e', '-c', `rm "$1"; ${command}`, 'sh', program]);
    execFileSync('tar', ['-S', '-czf', archive, '-C', folder, `release-v${version}-${architecture}`]);
    return assetOf(await readFile(archive));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function assetOf(bytes: Buffer): Asset {
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}
