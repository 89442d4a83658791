/** Adds the value of an option that may be repeated to those given before. */
export const addTo = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
