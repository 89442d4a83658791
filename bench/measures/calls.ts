import type { Measure } from '../measure.ts';
import { exec, sandbox } from '../sandboxes.ts';
import { repeat, summarise } from '../statistics.ts';

export const ping: Measure = {
  id: 'ping',
  title: 'Round trip',
  async run({ engine, templateId, quick, report }) {
    await using box = await sandbox(engine, { templateId });
    await repeat(50, () => engine.exec.ping(box.id));
    const summary = summarise(await repeat(quick ? 100 : 1000, () => engine.exec.ping(box.id)));
    report({ name: 'no-op request, round trip', unit: 'ms', value: summary.p50, summary, budget: 1 });
  },
};

export const execTrue: Measure = {
  id: 'exec',
  title: 'Exec',
  async run({ engine, templateId, quick, report }) {
    await using box = await sandbox(engine, { templateId });
    const rounds = quick ? 10 : 100;
    await repeat(5, () => exec(engine, box.id, ['true']));
    const whole: number[] = [];
    const guest: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startedAt = performance.now();
      const { wallUs } = await exec(engine, box.id, ['true']);
      whole.push(performance.now() - startedAt);
      guest.push(wallUs / 1000);
    }
    const [outside, inside] = [summarise(whole), summarise(guest)];
    const added = summarise(whole.map((value, index) => value - (guest[index] ?? 0)));
    report({ name: 'exec true', unit: 'ms', value: outside.p50, summary: outside });
    report({ name: 'exec true, as the guest measures it', unit: 'ms', value: inside.p50, summary: inside });
    report({ name: 'exec true, what is added to that', unit: 'ms', value: added.p50, summary: added, budget: 5 });
    const python = summarise(await repeat(quick ? 2 : 10, () => exec(engine, box.id, ['python3', '-c', 'print(1)'])));
    report({ name: "python3 -c 'print(1)'", unit: 'ms', value: python.p50, summary: python });
  },
};

export const controls: Measure = {
  id: 'controls',
  title: 'Pause, resume, stats',
  async run({ engine, templateId, quick, report }) {
    await using box = await sandbox(engine, { templateId });
    const rounds = quick ? 5 : 50;
    const pause: number[] = [];
    const resume: number[] = [];
    for (let round = 0; round < rounds; round++) {
      pause.push(...(await repeat(1, () => engine.sandboxes.pause(box.id))));
      resume.push(...(await repeat(1, () => engine.sandboxes.resume(box.id))));
    }
    for (const [name, values] of Object.entries({ pause, resume })) {
      const summary = summarise(values);
      report({ name, unit: 'ms', value: summary.p50, summary, budget: 20 });
    }
    const stats = summarise(await repeat(rounds, () => engine.sandboxes.stats(box.id)));
    report({ name: 'stats', unit: 'ms', value: stats.p50, summary: stats, budget: 10 });
  },
};

export const transfer: Measure = {
  id: 'transfer',
  title: 'Files',
  async run({ engine, templateId, quick, report }) {
    await using box = await sandbox(engine, { templateId });
    const megabytes = quick ? 16 : 64;
    const chunk = new Uint8Array(1 << 20).fill(0x61);
    const path = '/tmp/transfer.bin';
    const source = function* () {
      for (let index = 0; index < megabytes; index++) yield chunk;
    };
    const rate = (milliseconds: number): number => (megabytes * 1000 * 1.048576) / milliseconds;
    const rounds = quick ? 1 : 5;
    const up = summarise(
      (await repeat(rounds, () => engine.files.write(box.id, path, source(), { user: 'root' }))).map(rate),
    );
    const down = summarise(
      (
        await repeat(rounds, async () => {
          await using file = await engine.files.read(box.id, path);
          let bytes = 0;
          for await (const piece of file.bytes) bytes += piece.byteLength;
          if (bytes !== megabytes << 20) throw new Error(`${bytes} bytes came back`);
        })
      ).map(rate),
    );
    report({ name: `upload ${megabytes} MiB`, unit: 'MB/s', value: up.p50, summary: up, budget: 40 });
    report({ name: `download ${megabytes} MiB`, unit: 'MB/s', value: down.p50, summary: down, budget: 40 });
  },
};
