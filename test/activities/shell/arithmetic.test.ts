import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { autoArithmetic, BadCompute, resolveCompute } from '../../../activities/shell/arithmetic.ts';
import { computeEnvironment, machineFacts } from '../../../activities/shell/environment.ts';
import { DamagedMeasurement } from '../../../activities/shell/kept-measurement.ts';
import { probeProducts } from '../../../activities/shell/product-probe.ts';
import { ProductProbe } from '../../../schemas/product-probe.ts';
import { inFloat32 } from '../_compute.ts';

const asked = { dtype: 'bfloat16', arithmetic: 'auto', intraOpThreads: 1, execution: 'graph' } as const;
const fast = { speeds: [512, 64].map((rows) => ({ rows, float32: 100, bfloat16: 300 })) };
const amx = { cpu: 'x64-amx_bf16', accelerator: 'cpu' };

describe('arithmetic', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'probes-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is bfloat16 by itself where the processor is made for it and every size is clearly faster', () => {
    expect(autoArithmetic(amx, fast)).toBe('bfloat16');
    expect(autoArithmetic({ cpu: 'x64-avx512_bf16', accelerator: 'cpu' }, fast)).toBe('bfloat16');
    expect(autoArithmetic({ cpu: 'x64-avx2', accelerator: 'cuda' }, fast)).toBe('bfloat16');
    for (const cpu of ['x64-avx2', 'x64-avx512f'])
      expect(autoArithmetic({ cpu, accelerator: 'cpu' }, fast)).toBe('float32');
    const slowDecoding = [...fast.speeds.slice(1), { rows: 64, float32: 100, bfloat16: 105 }];
    expect(autoArithmetic(amx, { speeds: slowDecoding })).toBe('float32');
  });

  it('is float32 for float32 weights, and what was asked for where that was said, without measuring', async () => {
    const { dtype: _, ...rest } = asked;
    expect(await resolveCompute({ ...rest, dtype: 'float32' }, folder)).toEqual(inFloat32);
    for (const arithmetic of ['float32', 'bfloat16'] as const)
      expect(await resolveCompute({ ...asked, arithmetic }, folder)).toEqual({ ...asked, arithmetic });
    expect(await readdir(folder)).toEqual([]);
  });

  it('is auto in steps that were recorded before it could be set', async () => {
    const { arithmetic: _, ...before } = asked;
    expect(await resolveCompute({ ...before, dtype: 'float32' }, folder)).toEqual(inFloat32);
  });

  it('refuses products in bfloat16 of weights in float32, and says what to change', async () => {
    const wrong = resolveCompute({ ...asked, dtype: 'float32', arithmetic: 'bfloat16' }, folder);
    await expect(wrong).rejects.toThrow(BadCompute);
    await expect(wrong).rejects.toThrow(
      'compute.arithmetic is bfloat16, but dtype is float32: make dtype bfloat16 too, or leave arithmetic at auto',
    );
  });

  it('goes by speeds that are measured once; all processes take the first answer', async () => {
    const [one, other] = await Promise.all([probeProducts(folder, 2), probeProducts(folder, 2)]);
    expect(other).toEqual(one);
    expect(one.machine).toEqual({ ...(await machineFacts()), threads: '2' });
    expect(one.speeds.map(({ rows }) => rows)).toEqual([512, 64]);
    const files = await readdir(folder);
    expect(files).toHaveLength(1);
    const file = join(folder, files[0]!);
    const text = await readFile(file, 'utf8');
    expect(ProductProbe.parse(JSON.parse(text))).toEqual(one);
    const facts = await machineFacts();
    expect((await resolveCompute(asked, folder)).arithmetic).toBe(autoArithmetic(facts, one));

    const kept = { ...one, speeds: [{ rows: 512, float32: 1, bfloat16: 2 }] };
    await writeFile(file, JSON.stringify(kept));
    expect(await probeProducts(folder, 2)).toEqual(kept);
    await writeFile(file, text.slice(0, 40));
    await expect(probeProducts(folder, 2)).rejects.toThrow(DamagedMeasurement);
    await expect(probeProducts(folder, 2)).rejects.toThrow(`${file} is damaged`);
  });

  it('is part of the environment of a stage that computes, as it was decided', async () => {
    const decided = { ...asked, arithmetic: 'bfloat16' } as const;
    const environment = await computeEnvironment('gpu', decided);
    expect(environment).toEqual({
      ...(await machineFacts()),
      dtype: 'bfloat16',
      arithmetic: 'bfloat16',
      execution: 'graph',
      intraOpThreads: '1',
    });
    expect(await computeEnvironment('gpu', { ...decided, arithmetic: 'float32' })).not.toEqual(environment);
    expect(await computeEnvironment('cpu', decided)).toEqual({});
  });
});
