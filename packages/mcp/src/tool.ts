import type { CallToolResult, McpServer, ServerContext, ToolAnnotations } from '@modelcontextprotocol/server';
import { toNovaError } from '@novasandbox/protocol';
import type * as z from 'zod';
import type { ToolHost } from './tool-host.ts';

/** The context of one call. */
export interface ToolCall {
  /** Aborts when the host of the model gives the call up. */
  readonly signal: AbortSignal;
  /** Tells the host how far the call is, where it wants to know. The number must grow from call to call. */
  progress(done: number, message: string): void;
}

export interface ToolResult<Output> {
  /** The answer as data, which the output schema describes. */
  readonly data: Output;
  /** The same for a model to read; default: the data as JSON. */
  readonly text?: string;
  /** Where the host finds what the answer leaves out. */
  readonly links?: readonly { readonly uri: string; readonly name: string; readonly description: string }[];
}

/** A tool: its description, its schemas and its work. */
export interface Tool<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly annotations: ToolAnnotations;
  readonly input: Input;
  readonly output: Output;
  run(input: z.output<Input>, call: ToolCall): Promise<ToolResult<z.output<Output>>>;
}

/** A tool whose schemas do not matter. */
export type AnyTool = Tool<z.ZodObject, z.ZodObject>;

/** Adds a tool to the server. An error of the work becomes a result that says what to do, and the model reads it. */
export function registerTool(server: McpServer, tool: AnyTool, { used }: Pick<ToolHost, 'used'>): void {
  const { name, title, description, annotations, input, output } = tool;
  const handle = async (given: Record<string, unknown>, context: ServerContext): Promise<CallToolResult> => {
    try {
      if (typeof given['sandbox'] === 'string') used?.(given['sandbox']);
      const { data, text, links = [] } = await tool.run(given, callOf(context));
      return {
        content: [
          { type: 'text', text: text ?? JSON.stringify(data, null, 2) },
          ...links.map((link) => ({ type: 'resource_link' as const, mimeType: 'text/plain', ...link })),
        ],
        structuredContent: data,
      };
    } catch (error) {
      return failed(error);
    }
  };
  server.registerTool(name, { title, description, annotations, inputSchema: input, outputSchema: output }, handle);
}

function failed(error: unknown): CallToolResult {
  const { code, message, hint } = toNovaError(error);
  return { isError: true, content: [{ type: 'text', text: `${code}: ${message}\n${hint}` }] };
}

function callOf({ mcpReq }: ServerContext): ToolCall {
  const token = mcpReq._meta?.progressToken;
  return {
    signal: mcpReq.signal,
    progress(done, message) {
      if (token === undefined) return;
      const params = { progressToken: token, progress: done, message };
      // A host that has gone away gets no progress, and its call ends by the signal.
      mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined);
    },
  };
}
