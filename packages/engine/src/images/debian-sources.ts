import { readFile } from 'node:fs/promises';
import { runCommand } from '../programs/command.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const mirror = 'http://deb.debian.org';

/** The Debian release that guests use by default. */
export const defaultSuite = 'bookworm';

/** Code name of the Debian release this host runs, or null on any other system. */
export async function hostSuite(): Promise<string | null> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? undefined;
  return field('ID') === 'debian' ? (field('VERSION_CODENAME') ?? null) : null;
}

/**
 * The sources.list lines for a Debian suite. Where the host runs that suite, these are the host's own, so that a mirror
 * or proxy its owner chose serves guests too; else they are Debian's public mirror.
 */
export async function sourcesFor(suite: string, signal?: AbortSignal): Promise<string[]> {
  const own = (await hostSuite()) === suite ? await hostSources(suite, signal) : [];
  return own.length > 0 ? own : publicSources(suite);
}

export function publicSources(suite: string): string[] {
  const line = (path: string, name: string): string => `deb [signed-by=${keyring}] ${mirror}/${path} ${name} main`;
  return suite === 'sid' || suite === 'unstable'
    ? [line('debian', suite)]
    : [line('debian', suite), line('debian', `${suite}-updates`), line('debian-security', `${suite}-security`)];
}

/** Asks apt for the host's sources, in whatever format they are written. Sources of third parties are left out. */
async function hostSources(suite: string, signal?: AbortSignal): Promise<string[]> {
  const format = '$(ORIGIN)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)';
  const text = await runCommand('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    signal,
  }).catch(() => '');
  const lines = new Set<string>();
  for (const row of text.split('\n')) {
    const [origin, uri, release, component] = row.split('\t');
    if (origin !== 'Debian' || uri === undefined || release === undefined || component === undefined) continue;
    if (release !== suite && !release.startsWith(`${suite}-`)) continue;
    if (component === 'main') lines.add(`deb [signed-by=${keyring}] ${uri} ${release} ${component}`);
  }
  // The updates of a suite are of no use without the suite itself.
  return [...lines].some((line) => line.includes(` ${suite} `)) ? [...lines] : [];
}
