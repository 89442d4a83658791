/** One more name of an option that may be repeated. `before` is false after the option that takes all names back. */
export const parseName = (text: string, before: readonly string[] | false = []): readonly string[] => [
  ...(before === false ? [] : before),
  text,
];
