import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compile } from '../build/compile.ts';
import { placeOf } from '../build/modules.ts';
import { published } from '../build/published.ts';
import { stage } from '../build/stage.ts';
import { npmTools, succeed } from './support/npm.ts';

/**
 * The public API as text, so that each change of it is visible in review and none is made by accident.
 * NOVA_UPDATE_API=1 rewrites the reports.
 */
const reports = join(import.meta.dirname, '../docs/api');
const update = process.env['NOVA_UPDATE_API'] === '1';
const modules = join(import.meta.dirname, '../node_modules');
let work: string;
let extractor: string;

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'nova-api-'));
  extractor = await npmTools('api-extractor', { dependencies: { '@microsoft/api-extractor': '7.60.1' } });
  await compile(join(work, 'compiled'));
});
after(() => rm(work, { recursive: true, force: true }));

/** The report of one entry of a package that is staged in a folder. */
async function reportOf(folder: string, entry: string, name: string): Promise<string> {
  const none = { default: { logLevel: 'none', addToApiReportFile: false } };
  const configuration = {
    projectFolder: folder,
    mainEntryPointFilePath: join(folder, entry),
    newlineKind: 'lf',
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: 'es2024',
          lib: ['es2024', 'esnext.disposable'],
          module: 'nodenext',
          types: ['node'],
          strict: true,
        },
        files: [join(folder, entry)],
      },
    },
    apiReport: {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: name,
      reportFolder: join(folder, 'api'),
      reportTempFolder: join(folder, 'api-work'),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: { logLevel: 'error' } },
      extractorMessageReporting: { ...none, 'ae-forgotten-export': none.default, 'ae-undocumented': none.default },
      tsdocMessageReporting: none,
    },
  };
  const file = join(folder, 'api-extractor.json');
  await writeFile(file, JSON.stringify(configuration));
  await mkdir(join(folder, 'api'), { recursive: true });
  const program = join(extractor, '@microsoft/api-extractor/bin/api-extractor');
  await succeed([process.execPath, program, 'run', '--local', '--config', file], folder);
  return readFile(join(folder, `api/${name}.api.md`), 'utf8');
}

for (const wanted of published) {
  const folderName = wanted.name.replace('@', '').replace('/', '-');
  for (const [subpath, source] of Object.entries(wanted.exports)) {
    const name = folderName + subpath.slice(1).replace('/', '-');
    test(`the public API of ${wanted.name}${subpath.slice(1)} is docs/api/${name}.api.md`, async () => {
      const folder = join(work, name);
      await stage(wanted, join(work, 'compiled'), folder);
      await symlink(modules, join(folder, 'node_modules'));
      const entry = placeOf(source).replace(/\.ts$/, '.d.ts');
      const report = await reportOf(folder, entry, name);
      const file = join(reports, `${name}.api.md`);
      if (update) {
        await mkdir(reports, { recursive: true });
        await writeFile(file, report);
      }
      assert.equal(report, await readFile(file, 'utf8'), 'see tests/api-report.test.ts for how to write it anew');
    });
  }
}
