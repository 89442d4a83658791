import * as z from 'zod';

/** The words that `z.stringbool` takes, in any case; the OpenAPI document names them. */
const words = ['true', '1', 'yes', 'on', 'y', 'enabled', 'false', '0', 'no', 'off', 'n', 'disabled'];

/** A truth value in a query. */
export const queryBoolean = z.stringbool().meta({ enum: words });
