import type { Base, BaseRow } from '../base/base.ts';
import type { GuestEntries } from '../guest/guest-tree.ts';
import { IgnoreRules } from '../host/ignore-rules.ts';
import { parentOf, parentsOf } from '../paths.ts';

/** Folders that are remembered, so that the guest is not asked for their contents again. */
export const mostRemembered = 2000;

/**
 * Leaves out of the guest's entries what the host's ignore files leave out, such as packages that were installed there.
 * The ignore files of the guest do not count: it would hide what it likes.
 */
export class GuestFilter {
  /** Folders that need not be listed. */
  readonly skipPaths: readonly string[];
  readonly #base: Base;
  readonly #folder: string;
  readonly #rows: ReadonlyMap<string, BaseRow>;
  readonly #include: readonly string[];
  readonly #rules = new Map<string, IgnoreRules>();
  readonly #ignored = new Set<string>();

  constructor(base: Base, folder: string, rows: ReadonlyMap<string, BaseRow>) {
    this.#base = base;
    this.#folder = folder;
    this.#rows = rows;
    this.#include = (JSON.parse(base.fact('settings') ?? '{}') as { include?: string[] }).include ?? [];
    const known = JSON.parse(base.fact('ignoredFolders') ?? '[]') as string[];
    // The ignore files may have changed since, and what was pushed is always compared.
    const pushed = new Set([...rows.keys()].flatMap((path) => [path, ...parentsOf(path)]));
    this.skipPaths = known.filter((path) => !pushed.has(path) && this.#ignores(path, true));
  }

  /** The entries that count. A folder comes before what is in it. */
  chosen(entries: GuestEntries): GuestEntries {
    const chosen: GuestEntries = new Map();
    for (const [path, entry] of entries) {
      const isFolder = entry.type === 'directory';
      if (!this.#rows.has(path) && (this.#ignored.has(parentOf(path)) || this.#ignores(path, isFolder))) {
        if (isFolder) this.#ignored.add(path);
      } else chosen.set(path, entry);
    }
    return chosen;
  }

  /** Keeps the outermost of the folders that are left out. */
  remember(): void {
    const outermost = [...this.#ignored].filter((path) => !this.#ignored.has(parentOf(path)));
    const all = [...new Set([...this.skipPaths, ...outermost])];
    this.#base.setFact('ignoredFolders', JSON.stringify(all.slice(0, mostRemembered)));
  }

  #ignores(path: string, isFolder: boolean): boolean {
    if (this.#include.some((asked) => asked === path || path.startsWith(`${asked}/`) || asked.startsWith(`${path}/`))) {
      return false;
    }
    return this.#rulesOf(parentOf(path)).ignores(path, isFolder);
  }

  /** The rules in a folder, which may be one that only the guest has. */
  #rulesOf(folder: string): IgnoreRules {
    const known = this.#rules.get(folder);
    if (known !== undefined) return known;
    const rules =
      folder === ''
        ? IgnoreRules.ofTop(this.#folder)
        : this.#rulesOf(parentOf(folder)).inside(`${folder}/`).below(this.#folder, `${folder}/`);
    this.#rules.set(folder, rules);
    return rules;
  }
}
