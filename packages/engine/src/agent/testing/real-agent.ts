import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AttachedProcess, GuestAgent } from '../../ports/guest-agent.ts';
import { openSession } from '../connect.ts';

/** An agent that runs as a plain process of this host, and a directory of its own. */
export interface RealAgent extends AsyncDisposable {
  readonly directory: string;
  readonly pid: number;
  connect(): Promise<Socket>;
  open(): Promise<GuestAgent>;
}

/**
 * The path in NOVA_AGENT, or the output of `cargo build --release`. Fails when there is none, because these tests must
 * not pass by being skipped.
 */
function agentBinary(): string {
  const given = process.env['NOVA_AGENT'];
  const target = process.env['CARGO_TARGET_DIR'] ?? join(import.meta.dirname, '../../../../../guest/agent/target');
  const candidates =
    given === undefined
      ? ['release', 'x86_64-unknown-linux-musl/release', 'aarch64-unknown-linux-musl/release', 'debug'].map((build) =>
          join(target, build, 'nova-agent'),
        )
      : [given];
  const found = candidates.find((path) => existsSync(path));
  assert.ok(
    found,
    `No agent at ${candidates.join(', ')}: run cargo build --release in guest/agent, or set NOVA_AGENT.`,
  );
  return found;
}

export async function startAgent(): Promise<RealAgent> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-agent-'));
  const path = join(directory, 'agent.sock');
  const child = spawn(agentBinary(), ['--listen', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  // The agent prints a line once it listens. Its later output does not matter, but has to be read.
  const lines = createInterface(child.stderr);
  await Promise.race([once(lines, 'line'), exited.then(() => assert.fail('The agent ended as it started.'))]);
  const open: Socket[] = [];
  const connectAgent = async (): Promise<Socket> => {
    const socket = connect(path);
    await once(socket, 'connect');
    open.push(socket);
    return socket;
  };
  return {
    directory,
    pid: child.pid ?? 0,
    connect: connectAgent,
    open: async () => openSession(await connectAgent(), { flush: true }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      child.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Reads the output of a process to its end, by channel. */
export async function outputOf(child: AttachedProcess): Promise<{ stdout: string; stderr: string; pty: string }> {
  const chunks: Record<'stdout' | 'stderr' | 'pty', Uint8Array[]> = { stdout: [], stderr: [], pty: [] };
  for await (const { channel, bytes } of child.output) chunks[channel].push(bytes);
  const text = (channel: keyof typeof chunks): string => Buffer.concat(chunks[channel]).toString();
  return { stdout: text('stdout'), stderr: text('stderr'), pty: text('pty') };
}
