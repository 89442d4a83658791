import { InvalidArgumentError } from 'commander';

/** Filters given with `--filter` so far. The types are checked with the rest of the call. */
export interface EventFilters {
  readonly sandbox?: string;
  readonly types?: readonly string[];
}

/** Adds `sandbox=box` or `type=vm.started` to the filters given before. */
export function parseEventFilter(text: string, before: EventFilters = {}): EventFilters {
  const [, key, value = ''] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (key === 'type') return { ...before, types: [...(before.types ?? []), value] };
  if (key !== 'sandbox') throw new InvalidArgumentError('Give it as sandbox=<name> or type=<type>.');
  if (before.sandbox !== undefined) throw new InvalidArgumentError('Only one sandbox can be named.');
  return { ...before, sandbox: value };
}
