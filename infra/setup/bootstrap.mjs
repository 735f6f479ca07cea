/**
 * `npm run demo` and `npm test` begin here, before anything is installed: plain Node, nothing imported from packages.
 *
 *   node infra/setup/bootstrap.mjs demo|test|setup [arguments of what is started]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, locked } from './cache.mjs';
import { ensureServerPrograms, missingServers } from './go-binaries.mjs';
import { missingPrerequisites } from './prerequisites.mjs';
import { run, SetupError, step } from './processes.mjs';
import { ensureTensorFlow } from './tensorflow.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const TARGETS = {
  demo: ['--import', 'tsx', 'infra/demo/main.ts'],
  test: ['node_modules/vitest/vitest.mjs', 'run'],
  setup: undefined,
};

/** Installs the packages where `node_modules` is not what the lockfile says. */
async function ensurePackages() {
  const marker = path.join(ROOT, 'node_modules/.mmedexpert-lock');
  const lock = createHash('sha256')
    .update(await readFile(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  if ((await readFile(marker, 'utf8').catch(() => '')) === lock) return;
  await step('npm packages', () =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT }),
  );
  await writeFile(marker, lock);
}

async function setUp() {
  const cache = cacheFolder();
  const pins = JSON.parse(await readFile(new URL('./pins.json', import.meta.url), 'utf8'));
  const missing = missingPrerequisites({ needsGo: (await missingServers(cache, pins)).length > 0 });
  if (missing.length > 0) throw new SetupError(`this machine lacks something:\n  ${missing.join('\n  ')}`);
  await locked(cache, async () => {
    await ensurePackages();
    // The download waits for the network and the build for the processor: they go together.
    await Promise.all([ensureTensorFlow(ROOT, cache, pins), ensureServerPrograms(cache, pins)]);
  });
}

/** Starts a program in this one's place: its signals are passed on and its exit code is kept. */
function become(args) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; only what came here alone is passed on.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}

const [target = '', ...rest] = process.argv.slice(2);
if (!Object.hasOwn(TARGETS, target)) {
  process.stderr.write(
    `usage: node infra/setup/bootstrap.mjs ${Object.keys(TARGETS).join('|')} [arguments]\n`,
  );
  process.exit(2);
}
try {
  await setUp();
  const args = TARGETS[target];
  if (args) become([...args, ...rest]);
} catch (error) {
  process.stderr.write(error instanceof SetupError ? `set-up: ${error.message}\n` : `${error.stack}\n`);
  process.exit(1);
}
