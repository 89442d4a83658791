import * as newest from 'e2b';
import * as older from 'e2b-2.45';

/** E2B's own npm packages, unmodified: the newest, and the last of the line before. */
export type Client = typeof newest;
export const clients: readonly { readonly version: string; readonly e2b: Client }[] = [
  { version: '2.51.0', e2b: newest },
  // The versions differ only in parts that the tests do not use.
  { version: '2.45.0', e2b: older as unknown as Client },
];
export type Box = newest.Sandbox;
