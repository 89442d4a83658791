import { spawnSync } from 'node:child_process';

/** Runs a shell script to its end and returns its output; throws when it fails. */
export function runOnHost(script: string): string {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  if (status !== 0) throw new Error(`${script}: ${status}\n${stderr}`);
  return stdout;
}
