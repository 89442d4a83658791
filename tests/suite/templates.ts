import { createEngine, createImageSource, guestArchitectures, hostArchitecture, layoutAt } from '@novasandbox/engine';
import type { ArchitectureName } from '@novasandbox/protocol';
import { addForeignTemplate, foreignTemplateId } from '../support/foreign-template.ts';
import { testHome } from '../support/test-home.ts';
import type { Job } from './jobs.ts';
import { say, type Tally } from './tally.ts';

const phase = 'templates';

/** The snapshots that the tests clone. They are built first, so that no test's time limit has to allow for it. */
export function ownTemplates(tally: Tally): Job {
  const architecture = hostArchitecture().name;
  return {
    name: 'templates of this processor',
    phase,
    run: async () => {
      await using engine = await createEngine();
      await build(tally, engine, 'base', architecture);
      await build(tally, engine, 'linux-default', architecture);
      await nameAgent(tally);
    },
  };
}

/** Unit tests that talk to an agent use the one that guests have. */
async function nameAgent(tally: Tally): Promise<void> {
  try {
    process.env['NOVA_AGENT'] ??= (await createImageSource(layoutAt()).agent({})).path;
  } catch (error) {
    tally.fail('the agent of the templates is found', String(error));
  }
}

/** Emulated guests take a while to be made. Does nothing where no hypervisor runs them. */
export function foreignTemplates(tally: Tally, after: readonly Job[]): Job {
  return {
    name: 'templates of other processors',
    phase,
    after,
    run: async () => {
      await using home = await testHome();
      await addForeignTemplate(home);
      await using engine = await createEngine({ home: home.home });
      for (const { name: architecture } of guestArchitectures().slice(1)) {
        const reports = await engine.hypervisors({ architecture });
        if (reports.some(({ probe }) => probe.available)) await build(tally, engine, foreignTemplateId, architecture);
      }
    },
  };
}

type Engine = Awaited<ReturnType<typeof createEngine>>;

async function build(tally: Tally, engine: Engine, id: string, architecture: ArchitectureName): Promise<void> {
  const what = `template ${id} is built for ${architecture}`;
  const startedAt = performance.now();
  try {
    await engine.templates.build(
      id,
      { architecture },
      { progress: ({ state, label }) => void (state === 'start' && say(`  ${label}`)) },
    );
    tally.pass(what, `${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  } catch (error) {
    tally.fail(what, String(error));
  }
}
