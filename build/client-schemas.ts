/** Prepares a module of the contract for the client: a bundle then includes only the schemas that its program uses. */
export const schemasOfClient = (text: string): string => asUnusedMayGo(withoutDescriptions(text));

/**
 * Removes descriptions in words and in JSON Schema, which only documents need. Line numbers stay the same, because
 * source maps refer to them.
 */
function withoutDescriptions(text: string): string {
  const described =
    /\.(?:describe\(\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\$]|\\.)*`),?|meta\(\{[^{}()]*\})\s*\)/g;
  return text.replaceAll(described, (found) => found.replaceAll(/[^\n]/g, ''));
}

/**
 * A bundler keeps a call even if its result is unused, because the call might have side effects. Each schema is
 * therefore created in a function that is marked as free of side effects.
 */
function asUnusedMayGo(text: string): string {
  const schema = /^((?:export )?const \w+ = )((?:z|\w+Schema)\s*\.[\s\S]*?);\n(?=[^\s})\]]|$)/gm;
  return text.replaceAll(schema, (_, head: string, made: string) => `${head}/* @__PURE__ */ (() => ${made})();\n`);
}
