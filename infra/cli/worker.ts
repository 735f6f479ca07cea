import { Option, type Command } from 'commander';
import { QUEUE_NAMES, type QueueName } from '../runs/queues.ts';

export const register = (program: Command): void => {
  program
    .command('worker')
    .description('serve task queues until stopped')
    .addOption(
      new Option('--queue <name...>', 'orchestrate: workflows; wait: waiting for steps; cpu, gpu: stages')
        .choices(QUEUE_NAMES)
        .makeOptionMandatory(),
    )
    .option('--json', 'print one JSON line when ready')
    .action(async ({ queue, json }: { queue: QueueName[]; json?: boolean }) => {
      const { runWorkers } = await import('../worker/worker.ts');
      await runWorkers({
        queues: [...new Set(queue)],
        onReady: () =>
          process.stdout.write(
            json ? `${JSON.stringify({ ready: queue })}\n` : `ready: ${queue.join(', ')}\n`,
          ),
      });
    });
};
