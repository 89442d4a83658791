export * from './kept.ts';
export * from './secret.ts';
