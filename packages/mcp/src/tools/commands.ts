import type { AttachedProcess, ExecRequest, OutputReading } from '@novasandbox/engine/services';
import { argvOf, NovaError, signalNumber, type Exit } from '@novasandbox/protocol';
import * as z from 'zod';
import { execField, outputBytesField, sandboxField, textField, userField } from '../fields.ts';
import { Excerpt, type Shown } from '../excerpt.ts';
import { outputUri } from '../resources.ts';
import type { ToolHost } from '../tool-host.ts';
import type { Tool, ToolCall, ToolResult } from '../tool.ts';

/** Output that the guest keeps of a command, so that a model can read what a result has left out. */
const retainBytes = 4 << 20;
const sigkill = 9;
const progressEveryMs = 1000;
/** Longer commands are for start_command: hosts give calls up after a minute or a few. */
const defaultTimeoutS = 60;
const mostTimeoutS = 3600;

const commandFields = {
  sandbox: sandboxField,
  command: textField.min(1).describe('Command line for /bin/sh.'),
  cwd: z.string().min(1).max(4096).optional().describe("Working directory; default: the user's home."),
  env: z.record(z.string(), z.string()).optional().describe('Environment variables besides those of the sandbox.'),
  user: userField,
};

const outputShape = {
  exec_id: execField,
  running: z.boolean().describe('Whether the command still runs.'),
  exit_code: z.int().nullable().describe('Exit code; 128 + signal where a signal ended it; null while it runs.'),
  timed_out: z.boolean(),
  oom_killed: z.boolean().describe('Whether the sandbox ran out of memory and the kernel killed it.'),
  stdout: z.string(),
  stderr: z.string(),
  stdout_omitted: z.number().describe('Bytes left out of stdout; read_command gives them.'),
  stderr_omitted: z.number(),
};

const runInput = z.object({
  ...commandFields,
  stdin: textField.optional().describe('Input of the command; default: none.'),
  timeout_s: z
    .number()
    .min(0.1)
    .max(mostTimeoutS)
    .default(defaultTimeoutS)
    .describe('Time limit in seconds; the command is ended then. Use start_command for what takes longer.'),
  max_output_bytes: outputBytesField,
});
const runOutput = z.object(outputShape);

export const runCommand = ({ engine }: ToolHost): Tool<typeof runInput, typeof runOutput> => ({
  name: 'run_command',
  title: 'Run a command',
  description:
    'Runs a shell command in a sandbox, a virtual machine of its own, and waits for its end. Files and background ' +
    'processes stay; working directory and variables do not. A failing command is no error: look at exit_code.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  input: runInput,
  output: runOutput,
  async run({ sandbox, timeout_s, stdin, max_output_bytes, ...command }, call) {
    const request = { ...requestOf(command), timeoutMs: Math.round(timeout_s * 1000), stdin: stdin !== undefined };
    await using process = await engine.exec.start(sandbox, request, { signal: call.signal });
    const kill = (): void => void engine.exec.signal(sandbox, process.execId, sigkill).catch(() => undefined);
    call.signal.addEventListener('abort', kill, { once: true });
    if (call.signal.aborted) kill();
    try {
      const [taken, exit] = await Promise.all([
        take(process, max_output_bytes, call),
        process.exit,
        stdin === undefined ? undefined : feed(process, stdin),
      ]);
      if (call.signal.aborted) throw new NovaError('cancelled', 'The call was cancelled, and the command was ended.');
      return resultOf(sandbox, process.execId, taken, exit);
    } finally {
      call.signal.removeEventListener('abort', kill);
    }
  },
});

const startInput = z.object({
  ...commandFields,
  timeout_s: z
    .number()
    .min(0)
    .max(30 * 86_400)
    .default(0)
    .describe('Time limit in seconds; 0: none.'),
});
const startOutput = z.object({ exec_id: execField, pid: z.int() });

export const startCommand = ({ engine }: ToolHost): Tool<typeof startInput, typeof startOutput> => ({
  name: 'start_command',
  title: 'Start a long command',
  description:
    'Starts a shell command and leaves it running, such as a server, a build or a program that reads input. ' +
    'read_command gives its output and its end, control_command its input and signals.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  input: startInput,
  output: startOutput,
  async run({ sandbox, timeout_s, ...command }, { signal }) {
    const request = { ...requestOf(command), timeoutMs: Math.round(timeout_s * 1000), stdin: true };
    const { execId, pid } = await engine.exec.startDetached(sandbox, request, { signal });
    return { data: { exec_id: execId, pid } };
  },
});

const readInput = z.object({
  sandbox: sandboxField,
  exec_id: execField,
  stdout_offset: z.number().int().min(0).default(0).describe('Byte of stdout from which to read on.'),
  stderr_offset: z.number().int().min(0).default(0).describe('Byte of stderr from which to read on.'),
  wait_s: z
    .number()
    .min(0)
    .max(50)
    .default(0)
    .describe('Waits that many seconds for new output, or for the end of the command; 0: returns at once.'),
  max_output_bytes: outputBytesField,
});
const readOutput = z.object({
  ...outputShape,
  next_stdout_offset: z.number().describe('Pass it as stdout_offset to read on.'),
  next_stderr_offset: z.number(),
});

export const readCommand = ({ engine }: ToolHost): Tool<typeof readInput, typeof readOutput> => ({
  name: 'read_command',
  title: 'Read the output of a command',
  description:
    'Reads what a command has written since an offset, and says whether it still runs. Works for commands of ' +
    'start_command and of run_command, also a while after their end.',
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: readInput,
  output: readOutput,
  async run({ sandbox, exec_id, stdout_offset, stderr_offset, wait_s, max_output_bytes }, { signal }) {
    const from = { stdout: stdout_offset, stderr: stderr_offset };
    if (wait_s > 0)
      await news(engine, sandbox, exec_id, from, AbortSignal.any([signal, AbortSignal.timeout(wait_s * 1000)]));
    signal.throwIfAborted();
    await using reading = await engine.exec.output(sandbox, exec_id, from, { signal });
    const taken = await takeReading(reading, max_output_bytes);
    const { exit, stdoutOffset, stderrOffset } = await reading.ended;
    const { data, text, links } = resultOf(sandbox, exec_id, taken, exit);
    return {
      data: { ...data, next_stdout_offset: stdoutOffset, next_stderr_offset: stderrOffset },
      text: `${text}\nnext offsets: stdout ${stdoutOffset}, stderr ${stderrOffset}`,
      links: links ?? [],
    };
  },
});

const controlInput = z.object({
  sandbox: sandboxField,
  exec_id: execField,
  input: textField.optional().describe('Text for its stdin; end a line with a line feed.'),
  close_input: z.boolean().default(false).describe('Ends its stdin after that.'),
  signal: z.string().max(16).optional().describe('Signal for its process group, such as SIGINT, SIGTERM or SIGKILL.'),
});
const controlOutput = z.object({ exec_id: execField });

export const controlCommand = ({ engine }: ToolHost): Tool<typeof controlInput, typeof controlOutput> => ({
  name: 'control_command',
  title: 'Write to a command or signal it',
  description: 'Writes to the stdin of a command that runs, closes it, or sends a signal to the command.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  input: controlInput,
  output: controlOutput,
  async run({ sandbox, exec_id, input, close_input, signal }, call) {
    if (input !== undefined || close_input) {
      const from = { stdout: null, stderr: null, stdin: true };
      await using process = await engine.exec.attach(sandbox, exec_id, from, { signal: call.signal });
      process.exit.catch(() => undefined);
      if (input !== undefined) await process.writeStdin(Buffer.from(input));
      if (close_input) await process.closeStdin();
      await process.detach();
    }
    if (signal !== undefined) await engine.exec.signal(sandbox, exec_id, signalNumber(signal), { signal: call.signal });
    return { data: { exec_id } };
  },
});

interface Command {
  readonly command: string;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
}

const requestOf = ({ command, cwd, env, user }: Command): ExecRequest => ({
  ...{ argv: argvOf(command), cwd, env, user, retainBytes },
});

interface Taken {
  readonly stdout: Shown;
  readonly stderr: Shown;
}

/** Takes the output of a command as it comes, and tells the host how much there is. */
async function take({ output }: AttachedProcess, most: number, call: ToolCall): Promise<Taken> {
  const [stdout, stderr] = [new Excerpt(most), new Excerpt(most)];
  let toldAt = performance.now();
  for await (const { channel, bytes } of output) {
    (channel === 'stderr' ? stderr : stdout).add(bytes);
    if (performance.now() - toldAt < progressEveryMs) continue;
    toldAt = performance.now();
    const total = stdout.total + stderr.total;
    call.progress(total, `${total} bytes of output`);
  }
  return { stdout: stdout.show(), stderr: stderr.show() };
}

async function takeReading({ output, stdoutOffset, stderrOffset }: OutputReading, most: number): Promise<Taken> {
  const [stdout, stderr] = [new Excerpt(most, stdoutOffset), new Excerpt(most, stderrOffset)];
  for await (const { channel, bytes } of output) (channel === 'stderr' ? stderr : stdout).add(bytes);
  return { stdout: stdout.show(), stderr: stderr.show() };
}

/** A command that ends without reading its input is no failure. */
async function feed(process: AttachedProcess, text: string): Promise<void> {
  try {
    await process.writeStdin(Buffer.from(text));
    await process.closeStdin();
  } catch (error) {
    await process.exit.catch(() => {
      throw error;
    });
  }
}

/** Waits until the command has written something, or has ended, or `limit` aborts. */
async function news(
  engine: ToolHost['engine'],
  sandbox: string,
  execId: number,
  from: { readonly stdout: number; readonly stderr: number },
  limit: AbortSignal,
): Promise<void> {
  await using process = await engine.exec.attach(sandbox, execId, from, { signal: limit });
  process.exit.catch(() => undefined);
  const over = new Promise<void>((resolve) => {
    if (limit.aborted) resolve();
    else limit.addEventListener('abort', () => resolve(), { once: true });
  });
  const first = async (): Promise<void> => {
    for await (const _ of process.output) return;
    await process.exit.then(
      () => undefined,
      () => undefined,
    );
  };
  await Promise.race([first(), over]);
  await process.detach();
}

function resultOf(
  sandbox: string,
  execId: number,
  { stdout, stderr }: Taken,
  exit: Exit | null,
): ToolResult<z.output<typeof runOutput>> {
  const data = {
    exec_id: execId,
    running: exit === null,
    exit_code: exit?.exitCode ?? null,
    timed_out: exit?.timedOut ?? false,
    oom_killed: exit?.oomKilled ?? false,
    stdout: stdout.text,
    stderr: stderr.text,
    stdout_omitted: stdout.omitted,
    stderr_omitted: stderr.omitted,
  };
  return { data, text: textOf(data), links: linksOf(sandbox, data) };
}

/** The result as a person would see it in a terminal, with what a terminal does not show at the end. */
function textOf(data: z.output<typeof runOutput>): string {
  const state = data.running ? 'running' : `exit code ${data.exit_code}`;
  const notes = [
    ...(data.timed_out ? ['its time limit ended it'] : []),
    ...(data.oom_killed ? ['out of memory'] : []),
    ...(data.stdout_omitted + data.stderr_omitted > 0 ? ['read_command reads what is left out'] : []),
  ];
  return [
    ...(data.stdout === '' ? [] : [data.stdout.trimEnd()]),
    ...(data.stderr === '' ? [] : [`stderr:\n${data.stderr.trimEnd()}`]),
    `[command ${data.exec_id}: ${[state, ...notes].join(', ')}]`,
  ].join('\n');
}

function linksOf(sandbox: string, data: z.output<typeof runOutput>): NonNullable<ToolResult<never>['links']> {
  const left = (['stdout', 'stderr'] as const).filter((channel) => data[`${channel}_omitted`] > 0);
  return left.map((channel) => ({
    uri: outputUri(sandbox, data.exec_id, channel),
    name: channel,
    description: `All of ${channel}, as far as the sandbox keeps it: the last ${retainBytes >> 20} MiB.`,
  }));
}
