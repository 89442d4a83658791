/** Subjects of findings, in the order in which the sections are shown. */
export const sections = {
  needed: 'What sandboxes need here',
  better: 'What would make them faster, safer or able to do more',
  elsewhere: 'What does not apply on this machine',
} as const;

export type Section = keyof typeof sections;

/** Result of one check. */
export interface Finding {
  readonly section: Section;
  /**
   * `note`: works, but not as well as it could. `broken`: no sandbox can be created; used only in the section `needed`.
   */
  readonly state: 'fine' | 'note' | 'broken';
  readonly subject: string;
  readonly detail: string;
  readonly remedy?: string | undefined;
  /** Missing Debian packages. */
  readonly packages?: readonly string[];
}
