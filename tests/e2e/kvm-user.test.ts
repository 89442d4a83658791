import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { layoutAt } from '@novasandbox/engine';
import { kvmHypervisors, whyNot } from '../support/real-vmms.ts';

/** A user who owns nothing else. */
const user = '777001';
/** Parts that are made once, because making them again would take long. */
const parts = ['agent', 'kernels', 'initramfs', 'rootfs'];
const clones = new URL('../support/kvm-clones.ts', import.meta.url).pathname;

for (const hypervisor of kvmHypervisors) {
  const skip =
    process.getuid?.() === 0 ? await whyNot(hypervisor) : 'only root can become another user (who runs this is one)';
  test(
    `${hypervisor} makes a snapshot and clones for a user without root, who is in the group of /dev/kvm`,
    { skip },
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'nova-user-'));
      try {
        await chmod(directory, 0o755);
        const home = join(directory, 'home');
        await mkdir(home);
        const sources = parts.map((part) => join(layoutAt().home, part));
        const copied = spawnSync('cp', ['-a', '--sparse=always', '--reflink=auto', ...sources, home], {
          encoding: 'utf8',
        });
        assert.equal(copied.status, 0, copied.stderr);
        assert.equal(spawnSync('chown', ['-R', `${user}:${user}`, directory]).status, 0);
        const group = String(statSync('/dev/kvm').gid);
        const { status, stdout, stderr } = spawnSync(
          'setpriv',
          [
            '--reuid',
            user,
            '--regid',
            user,
            '--groups',
            group,
            process.execPath,
            ...process.execArgv,
            clones,
            hypervisor,
          ],
          {
            encoding: 'utf8',
            env: {
              ...process.env,
              HOME: directory,
              NOVA_HOME: home,
              NOVA_RUN: join(directory, 'run'),
              NOVA_JAILER: '',
            },
          },
        );
        assert.equal(status, 0, `${stdout}\n${stderr}`);
        assert.match(stdout, /clones of a snapshot ran on KVM/);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );
}
