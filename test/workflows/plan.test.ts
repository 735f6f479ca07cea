import { describe, expect, it } from 'vitest';
import { presets } from '../../schemas/presets.ts';
import { planOf } from '../../workflows/plan.ts';

const reference = (digit: string) => ({
  mediaType: 'application/vnd.mmedexpert.checkpoint.v1',
  digest: `sha256:${digit.repeat(64)}`,
  size: 1,
});

describe('the step that evaluates a model', () => {
  const config = presets['paper-2b'];
  const [model, vector, benchmark] = [reference('1'), reference('2'), reference('3')];

  it('computes as the configuration says', () => {
    const step = planOf(config).evaluate('final', { model }, benchmark);
    expect(step.inputs).toEqual({ model, benchmark });
    expect(step.compute).toEqual(config.compute);
    expect(step.compute.dtype).toBe('bfloat16');
  });

  it('adds a vector in float32, whatever the configuration computes in', () => {
    const step = planOf(config).evaluate('unrounded', { model, vector }, benchmark);
    expect(step.inputs).toEqual({ model, benchmark, vector });
    expect(step.compute).toEqual({ ...config.compute, dtype: 'float32', arithmetic: 'auto' });
  });
});
