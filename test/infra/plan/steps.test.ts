import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { lineOf } from '../../../infra/plan/plan.ts';
import { stepsOf } from '../../../infra/plan/steps.ts';
import { PipelineConfig } from '../../../schemas/config.ts';
import { presets } from '../../../schemas/presets.ts';
import { demo, planned } from './_planned.ts';

/** Names of the steps that a recorded run of the demo took, from what its workflow sent to its activities. */
async function recordedRun(): Promise<{ config: PipelineConfig; steps: string[] }> {
  const file = path.join(import.meta.dirname, '../../replay/histories/pipeline-2.json');
  const text = await readFile(file, 'utf8');
  const payloads = [...text.matchAll(/"data":\s*"([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
    Buffer.from(data!, 'base64').toString(),
  );
  const steps = payloads.flatMap((payload) => [...payload.matchAll(/"step":"([^"]+)"/g)]);
  const input = payloads.find((payload) => payload.includes('"runId"') && payload.includes('"config"'))!;
  const { config } = JSON.parse(input) as { config: unknown };
  return { config: PipelineConfig.parse(config), steps: [...new Set(steps.map(([, step]) => step!))] };
}

describe('the steps of a plan', () => {
  const walked = async (config: PipelineConfig): Promise<string[]> =>
    (await stepsOf(config)).map(({ step }) => step);
  const made = async (models: readonly string[], change: object = {}): Promise<string[]> => {
    const config = PipelineConfig.parse({ ...demo, ...change, evaluate: { ...demo.evaluate, models } });
    return (await walked(config)).filter((step) => /^(sft|gba|merge)/.test(step)).sort();
  };
  const EXPERTS = ['sft/AM', 'sft/BS', 'sft/CAH', 'sft/CSI'];

  it('are those that a recorded run took', async () => {
    const { config, steps } = await recordedRun();
    expect(steps.length).toBeGreaterThan(20);
    expect((await walked(config)).sort()).toEqual(steps.sort());
  });

  it.each(Object.entries(presets))('are all in the plan of %s, and no other is', async (_name, config) => {
    const lines = new Set((await stepsOf(config)).map(lineOf));
    expect(new Set((await planned(config)).keys())).toEqual(lines);
  });

  it('stand after those whose outputs they need', async () => {
    const lines = [...(await planned(demo)).keys()];
    const order = ['ingest/train', 'synthesize/*', 'stratify', 'sft/AM', 'merge/start', 'gba', 'merge/final'];
    expect(lines.filter((line) => order.includes(line))).toEqual(order);
    expect(lines.slice(-2)).toEqual(['evaluate/*', 'report']);
  });

  it('are what the evaluated models need', async () => {
    expect(await made(['base'])).toEqual([]);
    expect(await made(['BS', 'mixed'])).toEqual(['sft/BS', 'sft/mixed']);
    expect(await made(['gba'])).toEqual(['gba', 'merge/start', ...EXPERTS]);
    expect(await made(['final'])).toEqual(['gba', 'merge/final', 'merge/start', ...EXPERTS]);
  });

  it('follow where RL starts and how the last merge is made', async () => {
    expect(await made(['gba'], { gba: { ...demo.gba, start: 'base' } })).toEqual(['gba']);
    const slerp = { ...demo.merge, final: { ...demo.merge.final, method: 'slerp' } };
    expect(await made(['final'], { merge: slerp })).toContain('merge/mean');
    expect(await made(['final'], { gba: { ...demo.gba, enabled: false } })).toEqual([
      'merge/final',
      ...EXPERTS,
    ]);
  });
});
