export * from './commands.ts';
export * from './driver-features.ts';
export * from './errors.ts';
export * from './files.ts';
export * from './parse.ts';
export * from './progress.ts';
export * from './sandbox.ts';
export * from './template.ts';
