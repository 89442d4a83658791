import { NovaError } from '@novasandbox/protocol';

/** Deeper than any value of the API, and far below the depth where recursion overflows the stack. */
const maxDepth = 32;
/** Members of objects and elements of arrays: each costs the parser and the schema far more than its bytes. */
const maxValues = 16_384;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Checks the bytes of a JSON text as they arrive; throws `malformed_request` as soon as it nests too deeply or holds
 * too many values.
 */
export type JsonMeter = (bytes: Uint8Array) => void;

export function createJsonMeter(): JsonMeter {
  let depth = 0;
  let values = 0;
  let inString = false;
  let escaped = false;
  return (bytes) => {
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === comma) {
        if ((values += 1) > maxValues) throw tooMuch(`has at most ${maxValues} values`);
      } else if (byte === openArray || byte === openObject) {
        if ((depth += 1) > maxDepth) throw tooMuch(`is nested at most ${maxDepth} levels deep`);
        if ((values += 1) > maxValues) throw tooMuch(`has at most ${maxValues} values`);
      } else if (byte === closeArray || byte === closeObject) depth -= 1;
    }
  };
}

/** Parses a complete JSON text, such as a message of a WebSocket. Throws `malformed_request`. */
export function parseJson(text: string): unknown {
  createJsonMeter()(Buffer.from(text));
  try {
    return JSON.parse(text);
  } catch {
    throw new NovaError('malformed_request', 'This is not JSON.');
  }
}

function tooMuch(rule: string): NovaError {
  return new NovaError('malformed_request', `JSON ${rule} here.`);
}
