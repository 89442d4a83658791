import * as z from 'zod';

/** The words that `z.stringbool` accepts, in any case; the OpenAPI document lists them. */
const words = ['true', '1', 'yes', 'on', 'y', 'enabled', 'false', '0', 'no', 'off', 'n', 'disabled'];

/** A boolean in a query. */
export const queryBoolean = z.stringbool().meta({ enum: words });
