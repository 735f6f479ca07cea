/**
 * `npm run demo` and `npm test` begin here, before anything is installed: plain Node, nothing imported from packages.
 *
 *   node infra/setup/bootstrap.mjs demo|test|bench|setup [arguments of what is started]
 *   node infra/setup/bootstrap.mjs setup --verify    hash all that is in the cache
 */
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nodeProblem } from './prerequisites.mjs';
import { endRunning, SetupError } from './processes.mjs';
import { setUp } from './setup.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Each is loaded into this process, which then is it: signals and exit code are its own. */
const TARGETS = {
  demo: (rest) => becomeTypeScript('infra/demo/main.ts', rest),
  bench: (rest) => becomeTypeScript('test/bench/run.ts', rest),
  test: (rest) => become('node_modules/vitest/vitest.mjs', ['run', ...rest]),
  setup: async () => {
    process.stderr.write('setup: all is there\n');
  },
};

async function becomeTypeScript(file, args) {
  const { register } = await import('tsx/esm/api');
  register();
  await become(file, args);
}

async function become(file, args) {
  const program = path.join(ROOT, file);
  process.chdir(ROOT);
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
}

const [target = '', ...rest] = process.argv.slice(2);
if (!Object.hasOwn(TARGETS, target)) {
  process.stderr.write(
    `usage: node infra/setup/bootstrap.mjs ${Object.keys(TARGETS).join('|')} [arguments]\n`,
  );
  process.exit(2);
}
const interrupted = (signal) => {
  endRunning();
  process.stderr.write('setup: interrupted; what is done is kept, start again to go on\n');
  process.exit(signal === 'SIGINT' ? 130 : 143);
};
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const signal of signals) process.on(signal, interrupted);
try {
  const problem = nodeProblem();
  if (problem) throw new SetupError(problem);
  await setUp(ROOT, { thorough: target === 'setup' && rest.includes('--verify') });
} catch (error) {
  process.stderr.write(`error: ${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exit(1);
}
for (const signal of signals) process.off(signal, interrupted);
await TARGETS[target](rest);
