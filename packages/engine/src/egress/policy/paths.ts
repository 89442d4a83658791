/**
 * The path of a request target in the one spelling that rules are compared with. Null where servers read it in more
 * than one way: with empty, `.` or `..` parts, backslashes, control characters, or encoded forms of these.
 */
export function plainPath(target: string): string | null {
  const path = target.replace(/[?#].*$/s, '');
  if (!path.startsWith('/')) return null;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return null;
  }
  const isOdd = /[\\%;]|\/\/|\/\.{1,2}(?:\/|$)/.test(decoded) || hasControl(decoded) || /%2f/i.test(path);
  return isOdd ? null : decoded;
}

const hasControl = (text: string): boolean => /\p{Cc}/u.test(text);

/** `/a` covers `/a` and all below `/a/`, but not `/ab`. */
export const coversPath = (prefix: string, path: string): boolean =>
  path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
