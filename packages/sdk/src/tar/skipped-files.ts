import type { OnSkipped } from './pack-directory.ts';

const maxReported = 1000;

/** What a copy left out, as far as somebody would read it. */
export class SkippedFiles {
  readonly list: Parameters<OnSkipped>[0][] = [];
  readonly add: OnSkipped = (skipped) => {
    if (this.list.length < maxReported) this.list.push(skipped);
  };
}
