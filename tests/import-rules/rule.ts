export interface Rule {
  /** Files that the rule is about: a folder or file below the root. The most specific rule applies. */
  readonly from: string;
  /**
   * The imports that they may have besides Node's own modules and their own folder: folders or files of the project,
   * or packages.
   */
  readonly may: readonly string[];
  readonly because: string;
}

const contract = ['@novasandbox/protocol', '@novasandbox/engine'];

/**
 * The rule of a part of a package: it may import the contract, the packages named, and other parts of its own package.
 */
export const partOf =
  (root: string) =>
  (
    name: string,
    { packages = [], parts = [] }: { readonly packages?: readonly string[]; readonly parts?: readonly string[] },
    because: string,
  ): Rule => ({
    from: `${root}/${name}`,
    may: [...contract, ...packages, ...parts.map((part) => `${root}/${part}`)],
    because,
  });
