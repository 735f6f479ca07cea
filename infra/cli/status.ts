import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('status')
    .description('show how far a run is, step by step')
    .argument('<run>', 'run id, or the only one that starts or ends so')
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const { connect } = await import('../connect.ts');
      const { readRun } = await import('../../artifacts/runs.ts');
      const { runProgress } = await import('../runs/follow.ts');
      const { doneLine, runningLine } = await import('../runs/progress-lines.ts');
      const connection = await connect();
      try {
        const record = await readRun(connection.store, name);
        if (record.status !== 'running') {
          if (json) process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
          else {
            process.stdout.write(`${record.runId} ${record.status} ${record.error ?? ''}\n`);
            for (const { step, verdict, status } of record.steps)
              process.stdout.write(`  ${step.padEnd(18)} ${status.padEnd(9)} ${verdict}\n`);
          }
          return;
        }
        const progress = await runProgress(connection.client, connection.store.id, record.runId);
        if (json) {
          process.stdout.write(`${JSON.stringify(progress, null, 2)}\n`);
          return;
        }
        process.stdout.write(`${record.runId} ${progress.status}\n`);
        for (const state of progress.steps)
          if (state.state !== 'running') process.stdout.write(`  ${doneLine(state)}\n`);
        const running = runningLine(progress);
        if (running !== '') process.stdout.write(`  … ${running}\n`);
      } finally {
        await connection.close();
      }
    });
};
