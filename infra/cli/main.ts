import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { printFailure } from './failure.ts';
import { verbs } from './verbs.ts';

/** What was written wrong on the command line. */
class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 2;
}

/** Ends in silence once nobody reads stdout any more, as under `| head`. */
const endWithReader = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
};

/** Runs the command line. Exit codes: 0 done, 1 failed, 2 bad usage. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', endWithReader);
  const json = argv.includes('--json');
  const program = new Command('mmedexpert')
    .description(packageJson.description)
    .version(packageJson.version)
    .showHelpAfterError('(add --help for what it takes)')
    .configureOutput({ outputError: (text, write) => json || write(text) })
    .exitOverride();
  const words = argv.slice(2).filter((word) => !word.startsWith('-'));
  const asked = words[0] === 'help' ? words[1] : words[0];
  try {
    for (const [name, verb] of Object.entries(verbs))
      if (name === asked) (await verb.load()).register(program);
      else program.command(name).description(verb.about).helpGroup(verb.group);
    await program.parseAsync(argv as string[]);
  } catch (error) {
    if (!(error instanceof CommanderError)) process.exitCode = printFailure(error, json);
    else if (error.exitCode === 0) process.exitCode = 0;
    else if (!json) process.exitCode = 2;
    else process.exitCode = printFailure(new UsageError(error.message.replace(/^error: /, '')), json);
  }
}
