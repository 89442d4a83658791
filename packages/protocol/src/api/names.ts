type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
type InCamelCase<T> = { -readonly [K in keyof T as Camel<K & string>]: T[K] };

/** The same values by their names in the library: `memory_mb` is `memoryMb` there. Names within values stay. */
export const inCamelCase = <T extends object>(wire: T): InCamelCase<T> =>
  Object.fromEntries(
    Object.entries(wire).map(([name, value]) => [
      name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      value as unknown,
    ]),
  ) as InCamelCase<T>;
