import { spawn } from 'node:child_process';

/** A step of set-up that failed. The message names what failed and what to do. */
export class SetupError extends Error {
  name = 'SetupError';
}

const running = new Set();

/** Ends the programs that set-up started and that still run: on Ctrl-C, or when a step beside them failed. */
export function endRunning() {
  for (const child of running) child.kill('SIGTERM');
}

/** The lines that say what went wrong: those with "error" in them, without what a program says of its own use. */
function tellingLines(output) {
  const lines = output
    .split('\n')
    .map((line) => line.trimEnd())
    .filter(
      (line) => line !== '' && !/^npm error( {2}-| *$| aliases| Run "npm help|.*debug-\d+\.log)/.test(line),
    );
  const errors = lines.filter((line) => /error|fail|not found|denied|no space|timed? ?out/i.test(line));
  return (errors.length > 0 ? errors : lines).slice(0, 12).join('\n  ');
}

/** Runs a program quietly and returns what it printed. Throws {@link SetupError} with what it said of its failure. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(child);
    let output = '';
    let errors = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (errors += text));
    child.on('error', (error) => {
      running.delete(child);
      reject(new SetupError(`${program} could not be run (${error.message}): is it installed and on PATH?`));
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) return resolve(output);
      const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`;
      reject(
        new SetupError(
          `${[program, ...args.slice(0, 3)].join(' ')} … ${how}:\n  ${tellingLines(`${errors}\n${output}`)}`,
        ),
      );
    });
  });
}

const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Says what is being done, every ten seconds how far it is (`amount`), and how long it took. */
export async function step(title, work, amount = async () => '') {
  const started = Date.now();
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(0)} s`;
  say(`${title} …`);
  const beat = setInterval(async () => {
    const far = await amount().catch(() => '');
    say(`${title} … ${far === '' ? '' : `${far}, `}${seconds()}`);
  }, 10_000);
  try {
    const result = await work();
    say(`${title} … ok (${seconds()})`);
    return result;
  } finally {
    clearInterval(beat);
  }
}
