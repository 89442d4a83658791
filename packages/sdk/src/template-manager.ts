import type { ProgressSink, TemplateInfo } from '@novasandbox/protocol';
import { withEngine, type ConnectionOptions } from './connection.ts';

/** Templates: what sandboxes are clones of. They are folders with a `template.json`. */
export class TemplateManager {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** All that are declared, built or not. */
  list(): Promise<TemplateInfo[]> {
    return withEngine(this.#options, ({ templates }) => templates.list());
  }

  /** One of them; throws `unknown_template`. */
  get(templateId: string): Promise<TemplateInfo> {
    return withEngine(this.#options, ({ templates }) => templates.inspect(templateId));
  }

  /** Makes what is missing: kernel, agent, root image, snapshot. `force` builds the root image anew. */
  build(
    templateId: string,
    options: { readonly force?: boolean; readonly signal?: AbortSignal; readonly onProgress?: ProgressSink } = {},
  ): Promise<TemplateInfo> {
    const { force = false, signal, onProgress } = options;
    return withEngine(this.#options, ({ templates }) =>
      templates.build(templateId, { force }, { signal, progress: onProgress }),
    );
  }

  /** Removes the built image and its snapshots; `template.json` stays. */
  remove(templateId: string): Promise<void> {
    return withEngine(this.#options, ({ templates }) => templates.remove(templateId));
  }
}
