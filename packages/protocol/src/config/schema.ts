import * as z from 'zod';
import { fields } from './fields.ts';
import { values } from './values.ts';

type Fields = typeof fields;
export type FieldName = keyof Fields;
type Shape = { [N in FieldName]: ReturnType<Fields[N]['schema']> };

/** The schema of each field. */
export const configShape = Object.fromEntries(
  Object.entries(fields).map(([name, { schema }]) => [name, schema(values)]),
) as unknown as Shape;

/** The config of a sandbox. Everything has a default; sizes default to the template's. */
export const sandboxConfigSchema = z
  .strictObject({ ...configShape, templateId: values.name.optional(), template: values.name.optional() })
  .refine(
    ({ templateId, template = templateId }) => (templateId ?? template) === template,
    'template and templateId are two names of one field, and differ',
  )
  .transform(({ templateId, template, ...config }) => ({
    ...config,
    templateId: configShape.templateId.parse(templateId ?? template),
  }));
export type SandboxConfig = z.output<typeof sandboxConfigSchema>;
