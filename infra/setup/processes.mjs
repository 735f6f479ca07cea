import { spawn } from 'node:child_process';

/** A step of set-up that failed. The message names what failed and what to do. */
export class SetupError extends Error {
  name = 'SetupError';
}

/** Runs a program quietly and returns what it printed. Throws {@link SetupError} with the end of its output. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    let errors = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (errors += text));
    child.on('error', (error) => reject(new SetupError(`${program} could not be run: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) return resolve(output);
      const tail = (errors.trim() || output.trim()).split('\n').slice(-8).join('\n  ');
      reject(new SetupError(`${program} ${args.slice(0, 3).join(' ')} … ended with ${code}:\n  ${tail}`));
    });
  });
}

/** Says what is being done, every ten seconds that it goes on, and how long it took. */
export async function step(title, work) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  process.stderr.write(`set-up: ${title} …\n`);
  const beat = setInterval(() => process.stderr.write(`set-up: ${title} … ${seconds()} s\n`), 10_000);
  try {
    const result = await work();
    process.stderr.write(`set-up: ${title}: done in ${seconds()} s\n`);
    return result;
  } finally {
    clearInterval(beat);
  }
}
