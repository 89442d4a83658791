import type { ProgressSink, TemplateInfo } from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { withEngine, type ConnectionOptions } from '../connection.ts';

/** Manages templates, from which sandboxes are cloned. A template is a folder with a `template.json`. */
export class TemplateManager {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** Lists all declared templates, built or not. */
  list(): Promise<TemplateInfo[]> {
    return withEngine(this.#options, (engine) => administrationOf(engine).templates.list());
  }

  /** Returns one template; throws `unknown_template`. */
  get(templateId: string): Promise<TemplateInfo> {
    return withEngine(this.#options, (engine) => administrationOf(engine).templates.inspect(templateId));
  }

  /**
   * Builds what is missing: kernel, agent, root image, snapshot. `force` rebuilds the root image. With `image` the
   * template is made, of that OCI image: a name such as `python:3.13-slim`, or a path of the host.
   */
  build(
    templateId: string,
    options: {
      readonly force?: boolean;
      readonly image?: string;
      readonly signal?: AbortSignal;
      readonly onProgress?: ProgressSink;
    } = {},
  ): Promise<TemplateInfo> {
    const { force = false, image, signal, onProgress } = options;
    return withEngine(this.#options, (engine) =>
      administrationOf(engine).templates.build(templateId, { force, image }, { signal, progress: onProgress }),
    );
  }

  /**
   * Removes the built image and its snapshots. A template that was made of an OCI image goes as a whole; of others
   * `template.json` remains.
   */
  remove(templateId: string): Promise<void> {
    return withEngine(this.#options, (engine) => administrationOf(engine).templates.remove(templateId));
  }
}
