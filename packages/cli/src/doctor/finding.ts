/** One thing looked at. */
export interface Finding {
  /** `note`: works, but not as well as it could. `broken`: no sandbox can be made. */
  readonly state: 'fine' | 'note' | 'broken';
  readonly subject: string;
  readonly detail: string;
  readonly remedy?: string | undefined;
}
