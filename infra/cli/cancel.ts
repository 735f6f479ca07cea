import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('cancel')
    .description('end a run; steps that another open run wants go on')
    .argument('<run>', 'run id, or the only one that starts or ends so')
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const { connect } = await import('../connect.ts');
      const { readRun } = await import('../../artifacts/runs.ts');
      const { runWorkflowId } = await import('../../activities/shell/review.ts');
      const connection = await connect();
      try {
        const { runId, status } = await readRun(connection.store, name);
        const open = status === 'running';
        if (open)
          await connection.client.workflow.getHandle(runWorkflowId(connection.store.id, runId)).cancel();
        if (json) process.stdout.write(`${JSON.stringify({ runId, cancelled: open })}\n`);
        else process.stdout.write(open ? `${runId} is being cancelled\n` : `${runId} is ${status} already\n`);
      } finally {
        await connection.close();
      }
    });
};
