import { isUtf8 } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import type { AttachedProcess, Engine, OutputChunk, OutputReading, OutputReadingEnd } from '@novasandbox/engine';
import type { Interrupts } from '../process/interrupts.ts';
import { write } from '../process/print-output.ts';
import { printJson, toJsonLine } from '../render/json.ts';
import { bytesOf } from '../render/quantity.ts';
import { LastLines, lastLinesOf } from './last-lines.ts';

export interface WhatToShow {
  readonly follow: boolean;
  /** Number of lines, for stdout and stderr each. */
  readonly tail: number | undefined;
  readonly channels: readonly ('stdout' | 'stderr')[];
  readonly json: boolean;
}

type Side = 'stdout' | 'stderr';
const sideOf = ({ channel }: OutputChunk): Side => (channel === 'stderr' ? 'stderr' : 'stdout');

/** Shows the output of a command so far and, with `follow`, all output until it ends. The command does not notice. */
export async function showCommandOutput(
  engine: Engine,
  ref: string,
  execId: number,
  show: WhatToShow,
  { signal }: Interrupts,
): Promise<void> {
  if (show.json && !show.follow) return showAsJson(engine, ref, execId, show);
  const print = show.json ? printedAsLines() : (chunk: OutputChunk) => write(chunk.channel, chunk.bytes, signal);
  let end = await showSoFar(engine, ref, execId, show, print, signal);
  if (show.follow && end.exit === null && !signal.aborted)
    end = await showWhatComes(engine, ref, execId, show, print, { ...end, signal });
  if (show.json && end.exit !== null) printLine({ exitCode: end.exit.exitCode, signal: end.exit.signal });
}

type Print = (chunk: OutputChunk) => Promise<void> | void;

async function showSoFar(
  engine: Engine,
  ref: string,
  execId: number,
  { tail, channels, json }: WhatToShow,
  print: Print,
  signal: AbortSignal,
): Promise<OutputReadingEnd> {
  await using reading = await engine.exec.output(ref, execId, { stdout: 0, stderr: 0 }, { signal });
  if (!json) tellOfDropped(reading, channels);
  const last = { stdout: new LastLines(tail ?? 0), stderr: new LastLines(tail ?? 0) };
  for await (const chunk of reading.output) {
    const side = sideOf(chunk);
    if (signal.aborted) break;
    if (!channels.includes(side)) continue;
    if (tail === undefined) await print(chunk);
    else last[side].add(chunk.bytes);
  }
  for (const channel of channels) {
    const bytes = last[channel].bytes();
    if (bytes.length > 0) await print({ channel, bytes });
  }
  if (signal.aborted) return { exit: null, stdoutOffset: 0, stderrOffset: 0 };
  return await reading.ended;
}

async function showWhatComes(
  engine: Engine,
  ref: string,
  execId: number,
  { channels }: WhatToShow,
  print: Print,
  from: OutputReadingEnd & { readonly signal: AbortSignal },
): Promise<OutputReadingEnd> {
  const { stdoutOffset: stdout, stderrOffset: stderr, signal } = from;
  const process = await engine.exec.attach(ref, execId, { stdout, stderr, stdin: false }, { signal });
  try {
    for await (const chunk of process.output) if (channels.includes(sideOf(chunk))) await print(chunk);
    return { ...from, exit: await process.exit };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { ...from, exit: null };
  } finally {
    await leaveQuietly(process);
  }
}

/** Detaches without a goodbye: a reader must not change what happens to a command whose own client is lost. */
async function leaveQuietly(process: AttachedProcess): Promise<void> {
  await process.leave().catch(() => undefined);
}

function tellOfDropped({ stdoutOffset: stdout, stderrOffset: stderr }: OutputReading, channels: readonly Side[]): void {
  const offsets = { stdout, stderr };
  for (const channel of channels) {
    const count = offsets[channel];
    if (count === 0) continue;
    process.stderr.write(
      `nova: the first ${bytesOf(count)} of ${channel} are gone: the guest keeps only the newest output\n`,
    );
  }
}

const mostBytes = 16 * 1024 * 1024;

async function showAsJson(engine: Engine, ref: string, execId: number, { tail, channels }: WhatToShow): Promise<void> {
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(ref, { engine });
  const output = await sandbox.commands.output({ id: execId }, { maxOutputBytes: mostBytes });
  const shown = channels.map((channel) => {
    const text = tail === undefined ? output[channel] : lastLinesOf(output[channel], tail);
    const bytes = output[`${channel}Bytes`];
    const raw = isUtf8(bytes) ? {} : { [`${channel}Base64`]: Buffer.from(bytes).toString('base64') };
    return { [channel]: text, ...raw, [`${channel}Dropped`]: output[`${channel}Offset`] };
  });
  const { id, pid, running, exitCode } = output;
  printJson(Object.assign({ sandboxId: sandbox.id, execId: id, pid, running, exitCode }, ...shown));
}

/** Prints each piece as a line of JSON; a character that is cut between two pieces is put together. */
function printedAsLines(): Print {
  const decoders = { stdout: new StringDecoder(), stderr: new StringDecoder() };
  return (chunk) => {
    const channel = sideOf(chunk);
    const text = decoders[channel].write(Buffer.from(chunk.bytes));
    if (text !== '') printLine({ channel, text });
  };
}

const printLine = (value: object): void => void process.stdout.write(`${toJsonLine(value)}\n`);
