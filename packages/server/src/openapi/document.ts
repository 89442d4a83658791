import { errorTable } from '@novasandbox/protocol';
import { errorEnvelopeSchema, routes, uploadFieldsSchema, type Route } from '@novasandbox/protocol/api';
import * as z from 'zod';
import { apiPrefix } from '../http/addresses.ts';
import { paramSchemas } from '../routes/call.ts';
import { version } from '../version.ts';

type Json = Record<string, unknown>;

/**
 * The OpenAPI 3.1 document of all routes. It is made from the schemas that validate requests and answers, so that it
 * cannot deviate from them.
 */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const [operation, route] of Object.entries<Route>(routes)) {
    const path = `${apiPrefix}${route.path}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(operation, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'NovaSandbox',
      version,
      description:
        'MicroVM sandboxes. Errors have one form everywhere. What is to come is listed in docs/not-yet.md; its addresses answer 501.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }],
    tags: [...new Set(Object.values<Route>(routes).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a token of login.' },
      },
      schemas: { Error: schemaOf(errorEnvelopeSchema, 'output') },
      responses: {
        Error: {
          description: 'What went wrong, and what to do about it',
          content: jsonOf({ $ref: '#/components/schemas/Error' }),
        },
      },
    },
  };
}

function operationOf(operationId: string, route: Route): Json {
  const body = bodyOf(route);
  return {
    operationId,
    summary: route.summary,
    tags: [route.tag],
    ...(route.permission === 'public' ? { security: [] } : { 'x-permission': route.permission }),
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(body === null ? {} : { requestBody: body }),
    responses: { ...success(route), ...failures },
  };
}

const pathParameters = ({ path }: Route): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(paramSchemas[name as keyof typeof paramSchemas], 'input'),
  }));

const ticketParameter: Json = {
  name: 'ticket',
  in: 'query',
  required: false,
  description: 'From createSocketTicket, in place of credentials in headers.',
  schema: { type: 'string' },
};

function queryParameters({ query, responseType }: Route): Json[] {
  const ticket = responseType === 'websocket' ? [ticketParameter] : [];
  return [...ownQueryParameters(query), ...ticket];
}

function ownQueryParameters(query: Route['query']): Json[] {
  if (query === undefined) return [];
  const schema = schemaOf(query, 'input') as { properties?: Record<string, Json>; required?: string[] };
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) === true,
    schema: property,
  }));
}

const headerParameters = ({ idempotent }: Route): Json[] =>
  idempotent === true
    ? [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          description: 'Sent again with the same body, the request is answered as the first time and not done again.',
          schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' },
        },
      ]
    : [];

function bodyOf({ body, bodyType }: Route): Json | null {
  if (bodyType === 'raw') {
    // The body may be empty: an empty file, or an empty archive.
    return {
      required: false,
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    };
  }
  if (bodyType === 'multipart') {
    const { properties, required = [] } = schemaOf(uploadFieldsSchema, 'input') as {
      properties: Json;
      required?: string[];
    };
    const schema = {
      type: 'object',
      description: 'The file comes last: it is written as it comes.',
      properties: { ...properties, file: { type: 'string', format: 'binary' } },
      required: [...required, 'file'],
    };
    return { required: true, content: { 'multipart/form-data': { schema } } };
  }
  if (body === undefined) return null;
  return { required: !body.safeParse({}).success, content: jsonOf(schemaOf(body, 'input')) };
}

function success(route: Route): Json {
  const status = String(route.responseType === 'websocket' ? 101 : (route.status ?? 200));
  if (route.responseType === 'websocket') return { [status]: { description: 'A WebSocket' } };
  if (route.responseType === 'bytes') {
    const content = { 'application/octet-stream': {}, 'application/x-tar': {} };
    return {
      [status]: { description: 'The bytes', content },
      ...(route.path.endsWith('/download') ? { '206': { description: 'The range', content } } : {}),
    };
  }
  if (route.responseType !== undefined) {
    return {
      [status]: {
        description: 'Events as they come',
        content: { 'application/x-ndjson': {}, 'text/event-stream': {} },
      },
    };
  }
  if (route.response === undefined) return { [status]: { description: 'Done' } };
  return { [status]: { description: 'Done', content: jsonOf(schemaOf(route.response, 'output')) } };
}

const failure: Json = { $ref: '#/components/responses/Error' };
/** Any route may answer with any status that an error of the table has. */
const failures: Json = {
  ...Object.fromEntries(
    [...new Set(Object.values(errorTable).map(({ status }) => status))]
      .toSorted((a, b) => a - b)
      .map((status) => [String(status), failure]),
  ),
  default: failure,
};

const jsonOf = (schema: Json): Json => ({ 'application/json': { schema } });

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' });
  return json;
}
