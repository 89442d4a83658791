// Sandboxes are clones of one snapshot, so five of them cost little more than one.
import { Sandbox } from 'novasandbox';

const started = performance.now();
const sandboxes = await Promise.all(
  Array.from({ length: 5 }, (_, worker) => Sandbox.create({ memoryMb: 256, labels: { worker: `task-${worker}` } })),
);
try {
  const results = await Promise.all(
    sandboxes.map(({ commands }, worker) => commands.run(['python3', '-c', `print(${worker} ** 2)`])),
  );
  console.log(`squares: ${results.map(({ stdout }) => stdout.trim()).join(' ')}`);
  console.error(`five sandboxes, made and used in ${Math.round(performance.now() - started)} ms`);
} finally {
  await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
}
