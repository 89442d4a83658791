import { readFile } from 'node:fs/promises';
import { runCommand } from './command.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const mirror = 'http://deb.debian.org';

/** The suite guests are made of where nothing says otherwise. */
export const defaultSuite = 'bookworm';

/** Code name of the Debian release this host runs, or null on any other system. */
export async function hostSuite(): Promise<string | null> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? undefined;
  return field('ID') === 'debian' ? (field('VERSION_CODENAME') ?? null) : null;
}

/**
 * The sources.list lines for a Debian suite: the host's own, so that a mirror or a proxy its owner chose serves guests too, where the
 * host runs that suite; else Debian's public mirror.
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

/** What apt itself makes of the host's sources, in whatever form they are written; third parties' are left out. */
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
  // Without the suite itself the rest is of no use.
  return [...lines].some((line) => line.includes(` ${suite} `)) ? [...lines] : [];
}
