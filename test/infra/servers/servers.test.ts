import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectMinio } from '../../../artifacts/minio-port.ts';
import { homeFolders, type Home } from '../../../infra/home.ts';
import { findBinary } from '../../../infra/servers/binaries.ts';
import { isRunning, ServerFailed, startDaemon } from '../../../infra/servers/daemon.ts';
import { freePort } from '../../../infra/servers/ports.ts';
import { readCredentials, readServers, writeJson } from '../../../infra/servers/servers-file.ts';
import { ensureServers, runningServers, stopServers } from '../../../infra/servers/servers.ts';

const there = await Promise.all([findBinary('temporal'), findBinary('versitygw')]).then(
  () => true,
  () => false,
);
const env = {};

describe.skipIf(!there)('local servers (need set-up)', () => {
  let home: Home;
  const start = () => ensureServers(home, env);
  beforeAll(async () => {
    home = homeFolders({ MMEDEXPERT_HOME: await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-servers-')) });
  });
  afterAll(async () => {
    await stopServers(home);
    await rm(home.root, { recursive: true, force: true });
  });

  it('are started once, whoever asks at the same time or later, and answer', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    expect(other).toEqual(one);
    expect(await start()).toEqual(one);
    const connection = await Connection.connect({ address: one.temporal!.address });
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    expect(namespaceInfo?.name).toBe('default');
    await connection.close();
    expect((await fetch(one.temporal!.ui)).status).toBe(200);
  });

  it('have random keys that their owner alone can read and no other file holds', async () => {
    const { accessKey, secretKey } = (await readCredentials(home))!;
    expect(`${accessKey} ${secretKey}`).toMatch(/^[0-9a-f]{20} [0-9a-f]{40}$/);
    expect((await stat(home.credentialsFile)).mode & 0o777).toBe(0o600);
    for (const file of [
      home.serversFile,
      path.join(home.logs, 's3.log'),
      path.join(home.logs, 'temporal.log'),
    ])
      expect(await readFile(file, 'utf8')).not.toContain(secretKey);
  });

  it('come back at the same address, with their data, after one was killed', async () => {
    const before = await start();
    const settings = { ...(await readServers(home))!.s3!, bucket: 'kept' };
    const port = await connectMinio(settings);
    await port.put('a', Buffer.from('1'));
    process.kill(before.s3!.pid, 'SIGKILL');
    while (await isRunning(before.s3!.pid, 'versitygw')) await sleep(10);
    expect(await runningServers(home)).toEqual({ temporal: before.temporal });
    const after = await start();
    expect(after.s3!.pid).not.toBe(before.s3!.pid);
    expect(after.s3!.endpoint).toBe(before.s3!.endpoint);
    expect(after.temporal).toEqual(before.temporal);
    expect((await port.get('a')).bytes.toString()).toBe('1');
    port.close();
  });

  it('are not started where the environment names others', async () => {
    const named = homeFolders({ MMEDEXPERT_HOME: path.join(home.root, 'named') });
    expect(
      await ensureServers(named, { TEMPORAL_ADDRESS: 'there:7233', S3_ENDPOINT: 'http://there' }),
    ).toEqual({ version: 1 });
  });

  it('end when stopped, and a second stop finds nothing', async () => {
    const { temporal, s3 } = await start();
    expect(await stopServers(home)).toEqual(['temporal', 's3']);
    expect(await isRunning(temporal!.pid, 'temporal')).toBe(false);
    expect(await isRunning(s3!.pid, 'versitygw')).toBe(false);
    expect(await stopServers(home)).toEqual([]);
  });

  it('are never taken for a stranger that has their process id', async () => {
    const s3 = { pid: process.pid, endpoint: 'http://127.0.0.1:1' };
    await writeJson(home.serversFile, { version: 1, s3 });
    expect(await runningServers(home)).toEqual({});
    expect(await stopServers(home)).toEqual([]);
  });

  it('that do not start say so, with the end of their log', async () => {
    const script = path.join(home.root, 'broken.mjs');
    await writeFile(script, 'console.error("no such database"); process.exit(3);');
    const failed = startDaemon({
      name: 'broken',
      program: process.execPath,
      args: [script],
      port: await freePort(),
      logs: home.logs,
    });
    await expect(failed).rejects.toThrow(ServerFailed);
    await expect(failed).rejects.toThrow(
      /broken server did not start \(it ended with exit code 3\):\n {2}no such database/,
    );
  });
});
