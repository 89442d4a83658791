/** The version that `nova --version` prints; a test compares it with package.json. */
export const version = '0.1.0';
