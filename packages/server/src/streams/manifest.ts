import { Readable } from 'node:stream';
import { toNovaError } from '@novasandbox/protocol';
import type { ManifestLine, ManifestRequestWire } from '@novasandbox/protocol/api';
import type { Services } from '../context.ts';
import type { StreamAnswer } from './answer.ts';

/** Answers with a manifest as lines of JSON. An error of the start is an ordinary one; a later one is the last line. */
export async function manifestAnswer(
  engine: Services,
  ref: string,
  { path, hash_bytes: hashBytes, ...request }: ManifestRequestWire,
  signal: AbortSignal,
): Promise<StreamAnswer> {
  const manifest = await engine.files.manifest(ref, path, { hashBytes, ...request }, { signal });
  return {
    headers: { 'content-type': 'application/x-ndjson; charset=utf-8', 'x-accel-buffering': 'no' },
    body: Readable.from(linesOf(manifest)),
  };
}

async function* linesOf(manifest: Awaited<ReturnType<Services['files']['manifest']>>): AsyncGenerator<string> {
  const line = (value: ManifestLine): string => `${JSON.stringify(value)}\n`;
  await using _opened = manifest;
  try {
    for await (const entries of manifest) yield line({ entries: [...entries], end: false });
    yield line({ entries: [], end: true });
  } catch (error) {
    const { code, message, hint } = toNovaError(error);
    yield line({ entries: [], end: false, error: { code, message, hint } });
  }
}
