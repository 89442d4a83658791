// Reports at intervals what a sandbox uses while it works.
import { Sandbox } from 'novasandbox';

await using sandbox = await Sandbox.create();
const work = await sandbox.commands.run('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done', { background: true });

let over = false;
const waiting = work.wait().finally(() => (over = true));
do {
  const { memoryUsageMb, cpuUsageUs, processes } = await sandbox.getStats();
  console.error(
    `memory ${memoryUsageMb.toFixed(0)} MB, CPU ${(cpuUsageUs / 1e6).toFixed(2)} s, ${processes} processes`,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
} while (!over);
const { usage } = await waiting;
console.log(`the work took CPU time: ${usage.userUs > 0}`);
