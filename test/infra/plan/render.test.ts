import { describe, expect, it } from 'vitest';
import { inFloat32 } from '../../activities/_compute.ts';
import { assumptionsFor } from '../../../infra/plan/assumptions.ts';
import { planRun } from '../../../infra/plan/plan.ts';
import { renderPlan } from '../../../infra/plan/render.ts';
import { presets } from '../../../schemas/presets.ts';
import { casesOf, demo, tiny } from './_planned.ts';

describe('a plan as text', () => {
  it('says of each number where it is from, and what is missing', async () => {
    const given = { trainSpeed: 1000, tokensPerQuestion: 70 };
    const assumed = assumptionsFor(demo, given);
    const cases = await casesOf(demo, given);
    const stages = await planRun(demo, tiny, inFloat32, cases, assumed);
    const text = renderPlan(stages, { cases, assumed, given }, 'cpu');
    expect(text).toMatch(/^synthesize\/\* +1,920 config +288,000 assumed/m);
    expect(text).toMatch(/^sft\/AM .* MB predicted +0\.\d+ assumed/m);
    expect(text).toMatch(/^train +480 config +70 given +0\.\d+ config +\d[\d.]* config$/m);
    expect(text).toMatch(/^ {2}train: images of 56 × 56, as they are drawn$/m);
    expect(text).toMatch(/^ {2}--tokens-per-question +70 given/m);
    expect(text).toMatch(/^ {2}--image-width +· /m);
    expect(text).toMatch(/^ {2}--train-speed +1,000 given/m);
    expect(text).toMatch(/^ {2}--sample-speed +unknown/m);
    expect(text).toMatch(/^ {2}--kept-by-filter +0\.78 assumed +.*\(the demo kept 1,502 of 1,920 traces\)$/m);
    expect(text).toContain('Give --measure --model DIR');
    expect(renderPlan(stages, { cases, assumed, given }, 'cuda')).toContain('GPU-hours');
  });

  it('names a source for everything that it assumes', () => {
    for (const config of Object.values(presets))
      for (const [name, quantity] of Object.entries(assumptionsFor(config, {})))
        if (quantity !== undefined) expect(quantity.note, name).toBeTruthy();
  });
});
