import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * Serves the documents that describe the API. They are loaded on the first request, so that they do not delay the
 * start.
 */
export function addDescription(app: FastifyInstance): void {
  const config = (operation: string) => ({ config: { permission: 'public' as const, operation } });
  let document: string | undefined;
  app.get('/openapi.json', config('openapi'), async (_request, reply) => {
    const { openApiDocument } = await import('./document.ts');
    document ??= JSON.stringify(openApiDocument());
    return reply.type('application/json; charset=utf-8').send(document);
  });
  // The bare address of the daemon leads to the documentation. The router takes "*" (RFC 9110, 9.3.7) for it as well.
  app.get('/', config('root'), (request, reply) =>
    request.url === '*' ? reply.callNotFound() : reply.redirect('/docs', 302),
  );
  app.get('/docs', config('docs'), (_request, reply) => page(reply, swaggerPage));
  app.get('/redoc', config('redoc'), (_request, reply) => page(reply, redocPage));
  for (const [url, asset] of Object.entries(assets)) {
    app.get(url, config('docs'), (_request, reply) =>
      reply
        .type(asset.type)
        .header('cache-control', 'public, max-age=86400')
        .send(readFileSync(join(folderOf(asset.package), asset.file))),
    );
  }
}

interface Asset {
  readonly package: string;
  readonly file: string;
  readonly type: string;
}

const script = 'text/javascript; charset=utf-8';
const assets: Readonly<Record<string, Asset>> = {
  '/docs/swagger-ui.css': { package: 'swagger-ui-dist', file: 'swagger-ui.css', type: 'text/css; charset=utf-8' },
  '/docs/swagger-ui-bundle.js': { package: 'swagger-ui-dist', file: 'swagger-ui-bundle.js', type: script },
  '/redoc/redoc.standalone.js': { package: 'redoc', file: 'bundles/redoc.standalone.js', type: script },
};

const require = createRequire(import.meta.url);
/**
 * Returns the folder of the files: the published package contains copies of them instead of depending on their
 * packages.
 */
function folderOf(name: string): string {
  const carried = join(import.meta.dirname, 'carried', name);
  return existsSync(carried) ? carried : dirname(require.resolve(`${name}/package.json`));
}

const swaggerPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>NovaSandbox API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script>
      SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, persistAuthorization: false });
    </script>
  </body>
</html>
`;
const redocPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>NovaSandbox API</title>
    <style>body { margin: 0 }</style>
  </head>
  <body>
    <redoc spec-url="/openapi.json"></redoc>
    <script src="/redoc/redoc.standalone.js"></script>
  </body>
</html>
`;

function page(reply: FastifyReply, html: string) {
  return reply
    .type('text/html; charset=utf-8')
    .header(
      'content-security-policy',
      "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src blob:; frame-ancestors 'none'",
    )
    .send(html);
}
