export * from './field.ts';
export { fields } from './fields.ts';
export * from './input.ts';
export * from './schema.ts';
export * from './words.ts';
