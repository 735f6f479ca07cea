import { DamagedMeasurement } from '../../../activities/shell/kept-measurement.ts';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepSpeeds, keptSpeeds } from '../../../infra/plan/kept-speeds.ts';
import { measuredSpeeds } from '../../../infra/plan/speeds.ts';

describe('measured speeds', () => {
  const probe = {
    version: 1 as const,
    measuredAt: '2026-11-20T10:00:00.000Z',
    row: 900,
    prompt: 400,
    train: 120.5,
    sample: 30,
  };
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'plan-speeds-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are remembered for the setting they were measured in, the newest of each', async () => {
    await keepSpeeds(folder, { model: 'a' }, { ...probe, train: 1 });
    await keepSpeeds(folder, { model: 'a' }, probe);
    expect(await keptSpeeds(folder, { model: 'a' })).toEqual(probe);
    expect(await keptSpeeds(folder, { model: 'b' })).toBeUndefined();
    expect(measuredSpeeds(probe).train).toMatchObject({
      value: 120.5,
      from: 'measured',
      note: expect.stringMatching(/^bench train, rows of 900 tokens, on .*, 2026-11-20$/),
    });
  });

  it('are read from a file of version 1, and refused from a damaged one', async () => {
    const [file] = await readdir(folder);
    const at = path.join(folder, file!);
    await writeFile(at, JSON.stringify(probe));
    expect(await keptSpeeds(folder, { model: 'a' })).toEqual(probe);
    await writeFile(at, JSON.stringify({ ...probe, train: -1 }));
    await expect(keptSpeeds(folder, { model: 'a' })).rejects.toThrow(DamagedMeasurement);
    await writeFile(at, '{"version":');
    await expect(keptSpeeds(folder, { model: 'a' })).rejects.toThrow(
      /damaged .* remove it, and measure again/,
    );
  });
});
