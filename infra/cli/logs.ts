import type { Command } from 'commander';

export const register = (program: Command): void => {
  program
    .command('logs')
    .description("print a step's log")
    .argument('<run>', 'run id, or the only one that starts or ends so')
    .argument('<step>', 'step of the run, such as sft/AM')
    .option('--json', 'print JSON')
    .action(async (name: string, step: string, { json }: { json?: boolean }) => {
      const { connect } = await import('../connect.ts');
      const { stepLog } = await import('../runs/step-log.ts');
      const connection = await connect();
      try {
        const { runId, key, text } = await stepLog(connection, name, step);
        process.stdout.write(json ? `${JSON.stringify({ runId, step, key, text })}\n` : text);
      } finally {
        await connection.close();
      }
    });
};
