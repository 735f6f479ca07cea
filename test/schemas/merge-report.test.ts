import { describe, expect, it } from 'vitest';
import { MergeParams } from '../../schemas/merge-params.ts';
import { MergeReport } from '../../schemas/merge-report.ts';

const fields = {
  params: MergeParams.parse({}),
  vectors: [{ name: 'AM', weight: 1 }],
  tensors: [{ name: 'x', entries: 4, nonZero: 1, changed: 1, relativeError: 0 }],
  warnings: [],
};
const pair = { from: 'unrounded', to: 'stored', maxAbs: 0.5, meanKl: 0.01, sameArgmax: 1 };
const agreement = { prompts: 2, tokens: 60, pairs: [pair] };

describe('the report of a merge', () => {
  it('of the first version loads as one whose logits nobody compared', () => {
    expect(MergeReport.parse({ version: 1, ...fields })).toEqual({ version: 2, ...fields, agreement: null });
  });

  it('of this version loads as it is', () => {
    for (const seen of [null, agreement]) {
      const report = { version: 2, ...fields, agreement: seen };
      expect(MergeReport.parse(report)).toEqual(report);
    }
  });

  it.each([
    ['another version', { version: 3, ...fields, agreement: null }],
    ['agreement before its version', { version: 1, ...fields, agreement }],
    [
      'a divergence below 0',
      { version: 2, ...fields, agreement: { ...agreement, pairs: [{ ...pair, meanKl: -1 }] } },
    ],
    [
      'a way that is none',
      { version: 2, ...fields, agreement: { ...agreement, pairs: [{ ...pair, to: 'adapter' }] } },
    ],
    ['no pair', { version: 2, ...fields, agreement: { ...agreement, pairs: [] } }],
  ])('is refused with %s', (_, report) => expect(MergeReport.safeParse(report).success).toBe(false));
});
