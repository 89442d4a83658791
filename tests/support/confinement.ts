import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/** Why VMMs are not confined here, as `skip` of a test; false where they are. */
export const withoutRoot = process.getuid?.() === 0 && process.platform === 'linux' ? false : 'takes root';

/** A line of /proc/<pid>/status. */
function statusOf(pid: number, name: string): string {
  const found = new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  assert.ok(found !== undefined, name);
  return found.trim();
}

export interface Mount {
  readonly at: string;
  readonly options: readonly string[];
}

/** The mounts that a process sees (proc_pid_mountinfo(5)). */
function mountsOf(pid: number): Mount[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const fields = line.split(' ');
    return { at: fields[4] ?? '', options: (fields[5] ?? '').split(',') };
  });
}

/**
 * Fails unless a VMM has no privileges, namespaces of its own, and a root that contains only its files, of which it may
 * write those below `writable`. `network`: it has a network of its own; `root`: it may be root.
 */
export function assertConfined(
  pid: number,
  {
    writable,
    network = true,
    root = false,
  }: { readonly writable: readonly string[]; readonly network?: boolean; readonly root?: boolean },
): void {
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    assert.match(statusOf(pid, set), /^0+$/, `${set} is empty`);
  assert.equal(statusOf(pid, 'NoNewPrivs'), '1');
  assert.equal(statusOf(pid, 'Seccomp'), '2');
  assert.equal(statusOf(pid, 'NSpid').split(/\s+/).at(-1), '1');
  const uids = statusOf(pid, 'Uid').split(/\s+/);
  assert.equal(new Set(uids).size, 1, String(uids));
  if (!root) assert.notEqual(uids[0], '0');
  for (const namespace of ['mnt', 'pid', 'ipc', 'uts', ...(network ? ['net'] : [])])
    assert.notEqual(
      readlinkSync(`/proc/${pid}/ns/${namespace}`),
      readlinkSync(`/proc/self/ns/${namespace}`),
      namespace,
    );
  const mounts = mountsOf(pid);
  const mayWrite = mounts.filter(({ options }) => !options.includes('ro')).map(({ at }) => at);
  assert.deepEqual(mayWrite.toSorted(), [...writable].toSorted());
  for (const { at, options } of mounts) assert.ok(options.includes('nosuid'), at);
}

/**
 * Runs a shell script as the user of a VMM in its namespaces and its root, with everything that it could do without
 * Landlock and its system call filters.
 */
export function runAs(pid: number, script: string): { readonly status: number | null; readonly output: string } {
  const uid = statusOf(pid, 'Uid').split(/\s+/)[0] ?? '';
  const groups = statusOf(pid, 'Groups').replaceAll(/\s+/g, ',');
  const user = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, groups === '' ? '--clear-groups' : `--groups=${groups}`];
  const { status, stdout, stderr } = spawnSync(
    'nsenter',
    [
      `--target=${pid}`,
      '--all',
      '--root',
      '--wd',
      '--',
      ...user,
      '--inh-caps=-all',
      '--bounding-set=-all',
      '/bin/sh',
      '-c',
      script,
    ],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return { status, output: `${stdout}${stderr}` };
}
