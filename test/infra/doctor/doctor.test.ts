import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Finding } from '../../../infra/doctor/finding.ts';
import { examineNative } from '../../../infra/doctor/native.ts';
import { examineS3, examineTemporal } from '../../../infra/doctor/services.ts';
import { freePort } from '../../../infra/servers/ports.ts';
import { s3, temporal } from '../../_servers.ts';

const CLI = path.resolve(import.meta.dirname, '../../../infra/cli/mmedexpert.mjs');

const stub = (env: Record<string, string>) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
};
const nowhere = async () => `127.0.0.1:${await freePort()}`;

describe('doctor', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-doctor-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  afterEach(() => vi.unstubAllEnvs());

  it('finds a machine that was set up, with servers that run, in order', async () => {
    const { endpoint, accessKey, secretKey, bucket } = s3();
    stub({ MMEDEXPERT_HOME: folder, TEMPORAL_ADDRESS: temporal().address });
    stub({ S3_ENDPOINT: endpoint, S3_BUCKET: bucket });
    stub({ AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey });
    const stdout = await new Promise<string>((resolve) => {
      execFile(process.execPath, [CLI, 'doctor', '--json'], { cwd: folder }, (_, text) => resolve(text));
    });
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
    const of = (name: string) => findings.find((finding) => finding.name === name);
    expect(findings.filter(({ state }) => state === 'fail')).toEqual([]);
    expect(ok).toBe(true);
    expect(of('Node')).toEqual({ name: 'Node', state: 'ok', says: process.versions.node });
    expect(of('TensorFlow')?.says).toMatch(/^2\.\d+\.\d+ loads and computes$/);
    expect(of('products')?.says).toMatch(
      /^512 rows \d+ GFLOP\/s in float32, \d+ in bfloat16; 64 rows .+ auto means (float32|bfloat16) for/,
    );
    expect(of('Temporal')?.says).toContain('namespace default');
    expect(of('S3')?.says).toBe(`${endpoint}/${bucket}, conditional writes are honoured`);
  });

  it('names set-up as the cure where nothing was set up', async () => {
    stub({ MMEDEXPERT_CACHE: path.join(folder, 'cache'), TEMPORAL_ADDRESS: '', S3_ENDPOINT: '' });
    const failed = [];
    for await (const { name, state, cure } of examineNative())
      if (state === 'fail') failed.push([name, cure]);
    expect(failed).toContainEqual(['local servers', 'run `mmedexpert setup`']);
    expect(failed).toContainEqual(['TensorFlow files', 'run `mmedexpert setup --verify`']);
  });

  it('only warns of servers that nothing names, since `up` starts them', async () => {
    stub({ MMEDEXPERT_HOME: path.join(folder, 'empty') });
    vi.stubEnv('TEMPORAL_ADDRESS', undefined);
    vi.stubEnv('S3_ENDPOINT', undefined);
    for (const finding of [await examineTemporal(), await examineS3()])
      expect(finding).toMatchObject({ state: 'warn', cure: 'start the local servers with `mmedexpert up`' });
  });

  it('fails for a Temporal server that does not answer or lacks the namespace', async () => {
    stub({ TEMPORAL_ADDRESS: temporal().address, TEMPORAL_NAMESPACE: 'nowhere' });
    expect(await examineTemporal()).toMatchObject({
      state: 'fail',
      cure: 'make the namespace nowhere, or set TEMPORAL_NAMESPACE',
    });
    stub({ TEMPORAL_ADDRESS: await nowhere() });
    expect(await examineTemporal()).toMatchObject({
      state: 'fail',
      cure: expect.stringContaining('TEMPORAL_ADDRESS') as string,
    });
  });

  it('fails for an S3 server that does not answer, or not with these keys', async () => {
    const { endpoint, bucket } = s3();
    stub({ S3_ENDPOINT: endpoint, S3_BUCKET: bucket });
    stub({ AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' });
    expect(await examineS3()).toMatchObject({
      state: 'fail',
      cure: expect.stringContaining('AWS_ACCESS_KEY_ID') as string,
    });
    stub({ S3_ENDPOINT: `http://${await nowhere()}` });
    expect(await examineS3()).toMatchObject({
      state: 'fail',
      cure: expect.stringContaining('S3_ENDPOINT') as string,
    });
  });
});
