import type { SandboxScope } from '../sandbox-scope.ts';
import type {
  ApplyOptions,
  ApplyResult,
  DiffOptions,
  PushOptions,
  PushResult,
  WorkspaceDiff,
  WorkspaceInfo,
} from './types.ts';

/**
 * A folder of the host, pushed into the sandbox, worked on there, and reviewed before anything comes back. Nothing is
 * shared: the host's folder changes only in `apply`.
 */
export class Workspace {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /**
   * Copies a folder of the host into the guest; later, only what has changed. Ignored files and files that hold secrets
   * stay here, and the result says so. What was changed in the guest meanwhile is not replaced: it is a conflict.
   */
  async push(folder: string, options: PushOptions = {}): Promise<PushResult> {
    const { push } = await import('./push.ts');
    return push(this.#scope, folder, options);
  }

  /** Compares the guest's folder with what was pushed, and both with the host's folder as it is now. */
  async diff(options: DiffOptions = {}): Promise<WorkspaceDiff> {
    const { diff } = await import('./diff.ts');
    return diff(this.#scope, options);
  }

  /**
   * Brings the guest's changes into the host's folder: all, those of some paths, or some hunks. Conflicts are left
   * alone, `.git` and whatever could leave the folder is refused, and what the host may run by itself needs consent.
   */
  async apply(options: ApplyOptions = {}): Promise<ApplyResult> {
    const { apply } = await import('./apply.ts');
    return apply(this.#scope, options);
  }

  /** The folders that were pushed into this sandbox. */
  async list(): Promise<WorkspaceInfo[]> {
    const { workspacesOf } = await import('./base/place.ts');
    return workspacesOf(this.#scope.engine.place, this.#scope.id);
  }
}

export const workspaceOf = (scope: SandboxScope): Workspace => new Workspace(scope);
