import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

const BOOTSTRAP = fileURLToPath(new URL('../setup/bootstrap.mjs', import.meta.url));

/** A part that could not be set up; what went wrong was printed while it did. */
class SetupFailed extends Error {
  override readonly name = 'SetupFailed';
}

export const register = (program: Command): void => {
  program
    .command('setup')
    .description('install and build what is missing: packages, TensorFlow library and binding, local servers')
    .option('--verify', 'hash all that is in the cache, and make anew what is damaged')
    .option('--json', 'print JSON')
    .action(async ({ verify, json }: { verify?: boolean; json?: boolean }) => {
      const started = Date.now();
      const child = spawn(process.execPath, [BOOTSTRAP, 'setup', ...(verify ? ['--verify'] : [])], {
        stdio: ['ignore', 2, 2],
      });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', resolve);
      });
      if (code !== 0) throw new SetupFailed('set-up did not finish: the reason is above');
      const seconds = (Date.now() - started) / 1000;
      if (json) process.stdout.write(`${JSON.stringify({ ready: true, seconds })}\n`);
    });
};
