import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { createEngine, type Engine } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import { createBenchAccess } from './access.ts';
import { benchHome } from './home.ts';
import { describeHost } from './host.ts';
import type { LoadedRow, Measure } from './measure.ts';
import { controls, execTrue, ping, transfer } from './measures/calls.ts';
import { clone, coldBoot, config, prewarmed, tenAtOnce } from './measures/create.ts';
import { crowd } from './measures/crowd.ts';
import { density } from './measures/density.ts';
import { driver } from './measures/driver.ts';
import { e2b } from './measures/e2b.ts';
import { egress } from './measures/egress.ts';
import { pool } from './measures/pool.ts';
import { agent, command, others } from './measures/processes.ts';
import { server } from './measures/server.ts';
import { fork, hibernated, snapshot } from './measures/state.ts';
import { workspace } from './measures/workspace.ts';
import { renderTable } from './render.ts';

const measures: readonly Measure[] = [
  config,
  coldBoot,
  clone,
  prewarmed,
  pool,
  tenAtOnce,
  ping,
  execTrue,
  controls,
  transfer,
  fork,
  snapshot,
  hibernated,
  workspace,
  command,
  agent,
  driver,
  density,
  crowd,
  server,
  e2b,
  egress,
  others,
];

export interface BenchOptions {
  /** Writes the result as JSON: to that file, or for `true` to stdout instead of the table. */
  readonly json?: string | boolean | undefined;
  /** Fewer rounds, to check that the benchmark works. */
  readonly quick?: boolean | undefined;
  /** Ids of the measures to run; default: all. */
  readonly only?: readonly string[] | undefined;
  readonly templateId?: string | undefined;
  /** Cancels the benchmark: everything it created is removed, then the call rejects with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

/** Measures this machine. A missed budget is reported but is not a failure. */
export async function runBench({
  json = false,
  quick = false,
  only = [],
  templateId = 'base',
  signal = new AbortController().signal,
}: BenchOptions = {}): Promise<void> {
  const unknown = only.filter((id) => !measures.some((measure) => measure.id === id));
  if (unknown.length > 0) {
    throw new NovaError(
      'invalid_argument',
      `There is no measure ${unknown.join(', ')}: there are ${measures.map(({ id }) => id).join(', ')}.`,
    );
  }
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  await using own = await benchHome();
  await using bare = await createEngine({ home: own.home });
  const engine = endingWith(bare, signal);
  await engine.templates.build(templateId, {}, { progress: ({ label }) => progress(label), signal });
  const host = await describeHost(engine);
  const rows: LoadedRow[] = [];
  const access = createBenchAccess(own.layout);
  for (const measure of measures.filter(({ id }) => only.length === 0 || only.includes(id))) {
    progress(measure.title);
    await measure.run({
      engine,
      home: own.home,
      signal,
      quick,
      templateId,
      ...access,
      report: (row) => void rows.push({ ...row, load: loadavg()[0] ?? Number.NaN }),
      progress: (text) => progress(`${measure.title}: ${text}`),
    });
    throwIfCancelled(signal);
  }
  progress('');
  const result = { host, quick, rows };
  if (typeof json === 'string') await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  if (json === true) console.log(JSON.stringify(result, null, 2));
  else
    console.log(
      `${Object.entries(host)
        .map(([key, value]) => `${key}: ${value}`)
        .join('\n')}\n\n${renderTable(rows)}`,
    );
}

/**
 * An engine that cannot create or run anything once the signal has aborted: any running measure then fails and cleans
 * up.
 */
function endingWith(engine: Engine, signal: AbortSignal): Engine {
  return {
    ...engine,
    sandboxes: {
      ...engine.sandboxes,
      create: (config, context) => engine.sandboxes.create(config, { ...context, signal }),
    },
    exec: {
      ...engine.exec,
      ping: (ref, context) => engine.exec.ping(ref, { ...context, signal }),
      start: (ref, request, context) => engine.exec.start(ref, request, { ...context, signal }),
    },
    files: {
      ...engine.files,
      read: (ref, path, range, context) => engine.files.read(ref, path, range, { ...context, signal }),
      write: (ref, path, source, how, context) => engine.files.write(ref, path, source, how, { ...context, signal }),
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new NovaError('cancelled', 'The benchmark was given up.');
}
