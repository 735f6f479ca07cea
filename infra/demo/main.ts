/** `npm run demo`: servers, a scripted teacher, workers, one run of the whole pipeline, and what came of it. */
import { Command } from 'commander';
import { configOptions } from '../cli/config.ts';
import { printFailure } from '../cli/failure.ts';
import { resolveConfig, type ConfigOptions } from '../config/resolve.ts';
import { connect } from '../connect.ts';
import { homeFolders } from '../home.ts';
import { finishRun } from '../runs/finish.ts';
import { startRun } from '../runs/start.ts';
import { ensureServers, stopServers } from '../servers/servers.ts';
import { reviveWorkers, startWorkers, stopWorkers } from '../worker/supervisor.ts';
import { nextSteps } from './next-steps.ts';
import { showCase } from './show-case.ts';
import { teacherAccess, TEACHER_KEY } from './teacher-access.ts';
import { startTeacher } from './teacher.ts';

interface DemoOptions extends ConfigOptions {
  readonly json?: boolean;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function demo(options: DemoOptions): Promise<void> {
  const home = homeFolders();
  const stopped = new AbortController();
  const onSignal = () => stopped.abort(new Error('interrupted'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);

  const access = await teacherAccess(home);
  process.env[TEACHER_KEY] = access.key;
  const { config } = await resolveConfig({
    ...options,
    preset: options.preset ?? 'demo',
    set: [
      `synthesize.teacher.baseURL=http://127.0.0.1:${access.port}/v1`,
      `synthesize.teacher.apiKeyEnv=${TEACHER_KEY}`,
      ...(options.set ?? []),
    ],
  });
  const servers = await ensureServers(home);
  const teacher = await startTeacher({ ...access, bank: config.sources.train.path });
  await startWorkers();
  const connection = await connect();
  const watch = setInterval(() => {
    reviveWorkers().then(
      (names) => names.forEach((name) => say(`the worker ${name} died and was started again`)),
      (error: unknown) => say(`workers could not be looked after: ${String(error)}`),
    );
  }, 3000);
  try {
    const { runId, joined, ended } = await startRun(connection, config);
    for (const other of ended) say(`run ${other} ended: the workflow code changed since`);
    say(`run ${runId}${joined ? ': going on where it was' : ''}`);
    const done = await finishRun(connection, runId, stopped.signal);
    if (options.json) process.stdout.write(`${JSON.stringify(done.document, null, 2)}\n`);
    else {
      const shown = await showCase(connection.store, done.document);
      process.stdout.write(`${shown}${done.text}\n${nextSteps(done.document, servers)}`);
    }
    if (done.document.status !== 'done') process.exitCode = 1;
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
    clearInterval(watch);
    say('\nstopping the workers and servers; training saves a checkpoint first');
    await stopWorkers();
    await stopServers(home);
    say('stopped: `npm run demo` goes on from here');
    process.exitCode = 130;
  } finally {
    clearInterval(watch);
    await connection.close().catch(() => undefined);
    await teacher.close();
  }
}

const program = configOptions(new Command('demo'))
  .description('run the whole pipeline on a synthetic clinic, on this machine, in about ten minutes')
  .option('--json', 'print one JSON document at the end, progress on stderr')
  .action(demo);
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = printFailure(error, process.argv.includes('--json'));
}
