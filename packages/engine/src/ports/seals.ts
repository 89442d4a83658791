/** Encrypts what must not be read from the files of a state folder alone. */
export interface Seals {
  /** @param about what it is, without which it cannot be opened */
  seal(text: string, about: string): string;
  /** @throws NovaError `storage_failed` for a text that was sealed with another key, or about something else */
  open(sealed: string, about: string): string;
}
