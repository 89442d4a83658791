import * as z from 'zod';
import type { Decision } from '../policy/decision.ts';
import type { PolicyChoice, PolicyChoiceInput } from '../policy/choice.ts';

/** The client's `#policy-schemas`: the daemon checks policies, and what it says of its decisions is believed. */
export const policyChoiceSchema = z.unknown() as z.ZodType<PolicyChoice, PolicyChoiceInput>;
export const decisionSchema = z.unknown() as z.ZodType<Decision>;
