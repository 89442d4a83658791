import { resolve } from 'node:path';

/** A path is made absolute: it may be opened by a daemon, whose folder is another one. */
export const imageName = (text: string): string => (/^\.{0,2}\//.test(text) ? resolve(text) : text);
