import { describe, expect, it } from 'vitest';
import { renderTable } from '../../../infra/cli/table.ts';
import type { Cell, ComparisonReport, Section } from '../../../schemas/report.ts';

const cell = (right: number, answers: number): Cell => ({
  answers,
  right,
  accuracy: right / answers,
  low: Math.max(0, right / answers - 0.05),
  high: Math.min(1, right / answers + 0.05),
  unparsed: 2,
  truncated: 1,
});
const section = (right: number): Section => ({
  overall: cell(right, 160),
  groups: {
    modality: { image: cell(right / 4, 40), text: cell((3 * right) / 4, 120) },
    paradigm: { bayesian: cell(right / 2, 80), intuitive: cell(right / 2, 80) },
    specialty: { AM: cell(right / 2, 80), CAH: cell(right / 2, 80) },
  },
  macro: {},
});
const sections = (right: number) => ({ 'strict-tags': section(right), robust: section(right) });
const cross = ['base', 'final'].flatMap((model) =>
  ['AM', 'CAH'].flatMap((specialty) =>
    ['bayesian', 'intuitive'].map((paradigm) => ({
      model,
      scorer: 'robust',
      specialty,
      paradigm,
      modality: 'text',
      cell: cell(model === 'base' ? 20 : 60, 80),
    })),
  ),
);
const report: ComparisonReport = {
  version: 1,
  kind: 'comparison',
  benchmark: { cases: 82, absent: 2, synthetic: true, paradigms: ['intuitive', 'bayesian'] },
  scorer: 'robust',
  base: 'base',
  models: [
    { name: 'base', sections: sections(48), imageBlind: { robust: section(40) }, versusBase: null },
    {
      name: 'final',
      sections: sections(120),
      imageBlind: null,
      versusBase: {
        robust: {
          cases: 80,
          answers: 160,
          difference: 0.45,
          low: 0.36,
          high: 0.53,
          better: 40,
          worse: 4,
          p: 1.7e-8,
          adjustedP: 3.4e-8,
        },
      },
    },
  ],
  cross,
  baselines: [
    { name: 'constant-letter', about: 'always A', overall: 0.31, groups: { specialty: { AM: 0.3 } } },
  ],
  honesty: { humanReviews: 0, ruleReviews: 9, notes: ['synthetic: invented', '0 human reviews'] },
  tests: 'how it was tested',
  verdict: { model: 'final', beats: true, sentence: 'final beats base.' },
};

describe('the table of a comparison', () => {
  const text = renderTable(report);

  it('reads so', () => {
    expect(text).toMatchInlineSnapshot(`
      "Accuracy on 80 SYNTHETIC held-out cases, each asked under 2 paradigms; 2 more are absent. Intervals are 95 %.

      model            strict-tags       robust         minus base     p  p (Holm)  unparsed
      base             .30 .25–.35  .30 .25–.35                  ·     ·         ·         2
      final            .75 .70–.80  .75 .70–.80  +.450 +.360…+.530  2e-8      3e-8         2
      constant-letter          .31          .31                  ·     ·         ·         ·

      By the robust scorer:
      model                     AM          CAH        image         text
      base             .30 .25–.35  .30 .25–.35  .30 .25–.35  .30 .25–.35
      final            .75 .70–.80  .75 .70–.80  .75 .70–.80  .75 .70–.80
      constant-letter          .30            ·            ·            ·

      model    intuitive     bayesian
      base   .30 .25–.35  .30 .25–.35
      final  .75 .70–.80  .75 .70–.80

      image cases   with image  image-blind
      base         .30 .25–.35  .25 .20–.30

      base → final  cases  intuitive   bayesian
      AM, text         80  .25 → .75  .25 → .75
      CAH, text        80  .25 → .75  .25 → .75

      constant-letter: always A

      how it was tested

      final beats base.

      ! synthetic: invented
      ! 0 human reviews"
    `);
  });

  it('has no escape sequences, and fits 120 columns but for sentences', () => {
    expect(text).not.toContain('\u001b');
    const lines = text.split('\n').filter((line) => /\.\d\d\s/.test(line));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});

describe('the table of an evaluation', () => {
  it('has the counts, every scorer, the groups and what is absent', () => {
    const text = renderTable({
      version: 1,
      kind: 'evaluation',
      benchmark: { cases: 82, absent: 2, synthetic: false, paradigms: [null] },
      scorer: 'robust',
      sections: sections(48),
      imageBlind: null,
      baselines: [],
    });
    expect(text).toContain('80 of 82 cases asked, 2 absent');
    expect(text).toContain('robust: 48 of 160 right, .300 (.250-.350), 2 unparsed, 1 truncated');
    expect(text).toContain('specialty, by robust\n  AM: 24 of 80 right');
  });
});
