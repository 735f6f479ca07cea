import type { Command } from 'commander';
import type { ConfigOptions } from '../config/resolve.ts';
import { configOptions } from './config.ts';

interface RunOptions extends ConfigOptions {
  readonly detach?: boolean;
  readonly json?: boolean;
}

export const register = (program: Command): void => {
  configOptions(program.command('run'))
    .description('start a run, or join the open one that is the same, and follow it')
    .option('--detach', 'print the run id and leave')
    .option('--json', 'print one JSON document at the end, progress on stderr')
    .addHelpText(
      'after',
      `
A run puts its sources into the store, computes what is not there yet and takes the rest from it. Ctrl-C stops the
following, not the run: \`status RUN\` shows it, \`cancel RUN\` ends it.

  mmedexpert run                                        the demo's configuration
  mmedexpert run --set sft.AM.learningRate=5e-4         one expert changed, and what depends on it
  mmedexpert run --preset paper-2b --config lab.yaml    the paper's, with this lab's paths`,
    )
    .action(async (options: RunOptions) => {
      const { resolveConfig } = await import('../config/resolve.ts');
      const { config } = await resolveConfig(options);
      const { connect } = await import('../connect.ts');
      const { startRun } = await import('../runs/start.ts');
      const { finishRun } = await import('../runs/finish.ts');
      const connection = await connect();
      try {
        const { runId, joined, ended } = await startRun(connection, config);
        for (const other of ended)
          process.stderr.write(`run ${other} ended: the workflow code changed since\n`);
        process.stderr.write(`run ${runId}${joined ? ' is open already: joined' : ''}\n`);
        if (options.detach) {
          process.stdout.write(options.json ? `${JSON.stringify({ runId, joined })}\n` : `${runId}\n`);
          return;
        }
        const done = await finishRun(connection, runId);
        process.stdout.write(options.json ? `${JSON.stringify(done.document, null, 2)}\n` : done.text);
        if (done.document.status !== 'done') process.exitCode = 1;
      } finally {
        await connection.close();
      }
    });
};
