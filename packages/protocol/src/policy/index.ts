export * from './choice.ts';
export * from './decision.ts';
export * from './policy.ts';
export * from './rule.ts';
export * from './words.ts';
