import { Command, CommanderError } from 'commander';
import { printFailure } from './failure.ts';

/** Verbs, each in a file of its own that is loaded when it is called, so that `--help` costs next to nothing. */
const verbs: Record<string, () => Promise<{ register(program: Command): void }>> = {
  run: () => import('./run.ts'),
  runs: () => import('./runs.ts'),
  status: () => import('./status.ts'),
  cancel: () => import('./cancel.ts'),
  logs: () => import('./logs.ts'),
  lineage: () => import('./lineage.ts'),
  store: () => import('./store.ts'),
  up: () => import('./up.ts'),
  down: () => import('./down.ts'),
  worker: () => import('./worker.ts'),
  doctor: () => import('./doctor.ts'),
  config: () => import('./config.ts'),
  model: () => import('./model.ts'),
  train: () => import('./train.ts'),
  merge: () => import('./merge.ts'),
  evaluate: () => import('./evaluate.ts'),
  score: () => import('./score.ts'),
};

/** Runs the command line. Exit codes: 0 done, 1 failed, 2 bad usage. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('mmedexpert')
    .description('The MMedExpert-R1 recipe as a durable, resumable, content-addressed pipeline')
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for what it takes)')
    .exitOverride();
  const asked = argv.slice(2).find((word) => !word.startsWith('-'));
  const load = asked !== undefined && Object.hasOwn(verbs, asked) ? [asked] : Object.keys(verbs);
  for (const name of load) (await verbs[name]!()).register(program);
  const everywhere = (command: Command): void => {
    command.exitOverride().showHelpAfterError('(add --help for what it takes)');
    command.commands.forEach(everywhere);
  };
  everywhere(program);
  try {
    await program.parseAsync(argv as string[]);
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else process.exitCode = printFailure(error, argv.includes('--json'));
  }
}
