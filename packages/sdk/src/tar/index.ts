/** Archives of folders and of single files. */
export { extractTar, type ExtractLimits, type ExtractResult } from './extract.ts';
export { extractFile } from './extract-file.ts';
export { hostFileError } from './host-file-error.ts';
export { packDirectory, packFile, type OnSkipped } from './pack-directory.ts';
export { SkippedFiles } from './skipped-files.ts';
