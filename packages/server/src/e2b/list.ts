import { givenLabels, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type * as z from 'zod';
import type { CallerContext } from '../context.ts';
import { isPaused } from './life.ts';
import { pageOf, type Page } from './pages.ts';
import { openedVolumeLabel } from '../volumes/desk.ts';
import type { listSchema } from './wire.ts';

/** Lists the matching running and paused sandboxes, newest first unless asked otherwise. */
export async function listSandboxes(
  { engine }: CallerContext,
  query: z.output<typeof listSchema>,
  defaultStates: readonly string[],
): Promise<Page<SandboxInfo>> {
  const states = statesOf(query.state) ?? defaultStates;
  const metadata = pairsOf(query.metadata);
  const since = query.startedAfter === undefined ? null : Date.parse(query.startedAfter);
  const fitting = (await engine.sandboxes.list())
    .filter((info) => states.includes(isPaused(info) ? 'paused' : info.state))
    // A sandbox that was made only to open a volume is nobody's.
    .filter(({ labels }) => labels[openedVolumeLabel] === undefined)
    .filter(({ labels }) => {
      const own = givenLabels(labels);
      return metadata.every(([key, value]) => own[key] === value);
    })
    .filter((info) => query.template === undefined || info.templateId === query.template)
    .filter((info) => since === null || Date.parse(startOf(info)) >= since);
  // Not by the time of the start: a restart must not move a sandbox to another page.
  return pageOf(fitting, query, ({ createdAt: madeAt, id }) => ({ madeAt, id }));
}

const startOf = (info: SandboxInfo): string => info.startedAt ?? info.createdAt;

function statesOf(state: string | string[] | undefined): string[] | null {
  if (state === undefined) return null;
  const states = (Array.isArray(state) ? state : [state])
    .flatMap((each) => each.split(','))
    .filter((each) => each !== '');
  const unknown = states.find((each) => each !== 'running' && each !== 'paused');
  if (unknown !== undefined) throw new NovaError('invalid_argument', `state: there is no state "${unknown}"`);
  return states.length === 0 ? null : states;
}

/** Parses the pairs of a form whose names and values are URL-encoded twice. */
function pairsOf(metadata: string | undefined): [string, string][] {
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return [...new URLSearchParams(metadata ?? '')].map(([key, value]) => [decode(key), decode(value)]);
}
