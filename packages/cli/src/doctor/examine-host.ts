import { constants } from 'node:fs';
import { access, readdir, readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, cpus, freemem, release, totalmem, type as systemName } from 'node:os';
import { bytesOf } from '../render/quantity.ts';
import { version } from '../version.ts';
import { examineCgroups } from './examine-cgroups.ts';
import { examineCopies } from './examine-copies.ts';
import { kvmAccess, kvmRemedy } from './kvm-remedy.ts';
import type { Finding } from './finding.ts';

/** Enough for a root image, a snapshot and a few sandboxes. */
const neededDiskBytes = 3 * 1024 ** 3;
const neededMemoryBytes = 512 * 1024 ** 2;
const oldestNode = 24;

/** Examines this host without starting anything. */
export async function examineHost(): Promise<Finding[]> {
  return [
    { section: 'needed', state: 'fine', subject: 'NovaSandbox', detail: version },
    examineNode(),
    { section: 'needed', state: 'fine', subject: 'system', detail: `${systemName()} ${release()}, ${arch()}` },
    examineProcessors(),
    await examineMemory(),
    await examineDisk(),
    await examineCopies(),
    ...(await examineQuarantine()),
    ...(await examinePackages()),
    ...(process.platform === 'linux' ? [await examineKvm(), await examineCgroups()] : []),
  ];
}

function examineNode(): Finding {
  const fresh = Number(process.versions.node.split('.')[0]) >= oldestNode;
  return {
    section: 'needed',
    state: fresh ? 'fine' : 'broken',
    subject: 'Node',
    detail: process.versions.node,
    remedy: fresh ? undefined : `Use Node ${oldestNode} or newer: ./nova brings its own where the machine's is older.`,
  };
}

function examineProcessors(): Finding {
  return {
    section: 'needed',
    state: 'fine',
    subject: 'CPUs',
    detail: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
  };
}

async function examineMemory(): Promise<Finding> {
  const meminfo = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? Number.NaN) * 1024 || freemem();
  const enough = available >= neededMemoryBytes;
  return {
    section: 'needed',
    state: enough ? 'fine' : 'note',
    subject: 'memory',
    detail: `${bytesOf(available)} of ${bytesOf(totalmem())} available`,
    remedy: enough ? undefined : 'Free memory, or create smaller sandboxes with --memory.',
  };
}

async function examineDisk(): Promise<Finding> {
  const { layoutAt, prepareLayout } = await import('@novasandbox/engine');
  const layout = layoutAt();
  const { home } = layout;
  try {
    prepareLayout(layout);
    await access(home, constants.W_OK);
    const { bavail, bsize } = await statfs(home);
    const enough = bavail * bsize >= neededDiskBytes;
    return {
      section: 'needed',
      state: enough ? 'fine' : 'note',
      subject: 'disk',
      detail: `${bytesOf(bavail * bsize)} free for ${home}`,
      remedy: enough ? undefined : 'Free disk space, or set NOVA_HOME to a folder on a larger disk.',
    };
  } catch (error) {
    return {
      section: 'needed',
      state: 'broken',
      subject: 'disk',
      detail: `${home} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'Set NOVA_HOME to a folder of your own.',
    };
  }
}

/** Looks for programs that guests need, and names all missing packages at once. */
async function examinePackages(): Promise<Finding[]> {
  const { installRemedy, lackedPackages } = await import('@novasandbox/engine');
  const lacked = lackedPackages();
  if (lacked.length === 0) return [];
  const detail = `programs needed to create guests are missing: ${lacked.join(' ')}`;
  return [
    {
      section: 'needed',
      state: 'note',
      subject: 'packages',
      detail,
      remedy: installRemedy() ?? undefined,
      packages: lacked,
    },
  ];
}

/** Lists the folders that the daemon has moved to quarantine because the store did not know them. */
async function examineQuarantine(): Promise<Finding[]> {
  const { layoutAt } = await import('@novasandbox/engine');
  const { quarantine, sandboxes } = layoutAt();
  const names = await readdir(quarantine).catch((): string[] => []);
  if (names.length === 0) return [];
  return [
    {
      section: 'needed',
      state: 'note',
      subject: 'quarantine',
      detail: `${quarantine} holds ${names.length} sandbox${names.length === 1 ? '' : 'es'} that the store does not know: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`,
      remedy: `Stop the daemon and restore the store.sqlite that knows them and the folders (to ${sandboxes}), or remove the folders.`,
    },
  ];
}

async function examineKvm(): Promise<Finding> {
  const there = await access('/dev/kvm').then(
    () => true,
    () => false,
  );
  if (!there) {
    return {
      section: 'better',
      state: 'note',
      subject: '/dev/kvm',
      detail: 'not there: guests are emulated, which is slower but works',
      remedy:
        'For more speed enable virtualisation in the firmware, or nested virtualisation where this is a VM itself.',
    };
  }
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  return {
    section: 'better',
    state: usable ? 'fine' : 'note',
    subject: '/dev/kvm',
    // Opening it proves nothing: the hypervisor's line reports the result of booting a guest on it.
    detail: usable ? 'may be opened (the probe tells whether guests run on it)' : 'may not be opened by this user',
    remedy: usable ? undefined : kvmRemedy(await kvmAccess()),
  };
}
