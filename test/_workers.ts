import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { connect, type Connection } from '../infra/connect.ts';
import { s3, temporal } from './_servers.ts';

const CLI = path.resolve(import.meta.dirname, '../infra/cli/mmedexpert.mjs');

/** A home of its own over this run's servers, with a bucket nobody else uses, and worker processes as `up` starts them. */
export interface Lab {
  readonly connection: Connection;
  readonly env: NodeJS.ProcessEnv;
  /** Starts a worker process and waits until it polls. */
  startWorker(...queues: string[]): Promise<ChildProcess>;
  /** Runs the command line and returns what it printed. */
  cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  close(): Promise<void>;
}

export async function openLab(): Promise<Lab> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-lab-'));
  const server = s3();
  const settings = {
    MMEDEXPERT_HOME: root,
    TEMPORAL_ADDRESS: temporal().address,
    S3_ENDPOINT: server.endpoint,
    S3_BUCKET: server.bucket,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  };
  Object.assign(process.env, settings);
  const env = { ...process.env, ...settings };
  const connection = await connect();
  const workers: ChildProcess[] = [];
  return {
    connection,
    env,
    async startWorker(...queues) {
      const child = spawn(process.execPath, [CLI, 'worker', '--queue', ...queues], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      workers.push(child);
      let errors = '';
      child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (text: Buffer) => text.toString().includes('ready') && resolve());
        child.once('exit', (code) => reject(new Error(`worker ended with ${code}: ${errors.slice(-2000)}`)));
      });
      return child;
    },
    cli: (...args) =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let stdout = '';
        let stderr = '';
        child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
        child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
        child.on('close', (code) => resolve({ code, stdout, stderr }));
      }),
    async close() {
      await Promise.all(
        workers.map((child) =>
          child.exitCode !== null || child.signalCode !== null
            ? Promise.resolve()
            : new Promise((resolve) => {
                child.once('exit', resolve);
                child.kill('SIGTERM');
              }),
        ),
      );
      await connection.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
