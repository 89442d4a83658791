import type { OnSkipped } from './pack-directory.ts';

const maxReported = 1000;

/** The files that a copy left out, limited to as many as a user would read. */
export class SkippedFiles {
  readonly list: Parameters<OnSkipped>[0][] = [];
  readonly add: OnSkipped = (skipped) => {
    if (this.list.length < maxReported) this.list.push(skipped);
  };
}
