import { describe, expect, it } from 'vitest';
import { plainBaselines } from '../../../activities/evaluate/baselines.ts';
import { buildReport, type ReportInput } from '../../../activities/report/report.ts';
import type { Case } from '../../../schemas/case.ts';
import type { Paradigm } from '../../../schemas/paradigm.ts';
import type { Prediction } from '../../../schemas/prediction.ts';
import { Report } from '../../../schemas/report.ts';

const letters = ['A', 'B', 'C', 'D'] as const;
const specialties = ['AM', 'CAH', 'BS', 'CSI'] as const;
const paradigms: Paradigm[] = ['differential', 'bayesian'];

const cases: Case[] = Array.from({ length: 80 }, (_, i) => ({
  version: 1,
  id: `case-${String(i).padStart(2, '0')}`,
  question: 'adult ward with fever',
  options: letters.map((letter) => ({ letter, text: `option ${letter}` })),
  gold: letters[i % 3]!,
  images: i % 5 === 0 ? ['images/x.png'] : [],
  source: 'test',
  licence: 'none',
  split: 'test',
  topics: [],
  specialty: specialties[i % 4]!,
  groups: {},
  mayTrain: false,
  synthetic: true,
}));

/** Answers that are right where `right` says so; `form` false means that only the robust profile can read them. */
const answers = (right: (i: number, paradigm: number) => boolean, form = true, blind = false): Prediction[] =>
  cases.flatMap((one, i) =>
    paradigms.map((paradigm, k) => {
      const correct = right(i, k);
      const letter = correct ? one.gold : 'D';
      return {
        version: 1,
        caseId: one.id,
        paradigm,
        blind,
        response: letter,
        thinking: null,
        finishReason: 'stop',
        promptTokens: 1,
        completionTokens: 1,
        options: one.options,
        gold: one.gold,
        readings: {
          'strict-tags': form
            ? { letter, method: 'answer-tag', span: letter, correct }
            : { letter: null, method: 'no-tags', span: null, correct: false },
          robust: { letter, method: 'answer-tag/letter', span: letter, correct },
        },
        groups: { specialty: one.specialty!, modality: one.images.length > 0 ? 'image' : 'text' },
        synthetic: true,
      };
    }),
  );

const settings = { scorer: 'robust', base: 'base', subject: undefined, resamples: 300, seed: 0 };
const input = (models: Record<string, Prediction[]>): ReportInput => ({
  answers: new Map(Object.entries(models)),
  cases,
  baselines: [],
  reviews: { human: 0, rule: 7 },
  notes: ['the base was given a known fault on purpose'],
});
const weak = answers((i) => i % 4 === 0);
const strong = answers((i) => i % 4 !== 1);

describe('a comparison report', () => {
  const report = buildReport(input({ base: weak, final: strong }), settings);

  it('is what its schema says', () => {
    expect(Report.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  it('has each model by specialty, paradigm and modality, and every combination of them', () => {
    const section = report.models[1]!.sections['robust']!;
    expect(section.overall).toMatchObject({ answers: 160, right: 120, accuracy: 0.75, unparsed: 0 });
    expect(Object.keys(section.groups)).toEqual(['modality', 'paradigm', 'specialty']);
    expect(section.groups['specialty']!['CAH']).toMatchObject({ answers: 40, right: 0 });
    expect(section.macro['specialty']).toBe(0.75);
    const robust = report.cross.filter((row) => row.model === 'final' && row.scorer === 'robust');
    expect(robust).toHaveLength(4 * 2 * 2);
    expect(robust.reduce((sum, row) => sum + row.cell.answers, 0)).toBe(160);
  });

  it('says that the model beats the base where it does by every scorer', () => {
    expect(report.verdict).toMatchObject({ model: 'final', beats: true });
    expect(report.verdict!.sentence).toMatch(
      /^final beats base on 80 held-out cases at p < .001 by every scorer/,
    );
    expect(report.models[1]!.versusBase!['robust']).toMatchObject({ better: 40, worse: 0, difference: 0.5 });
  });

  it('says plainly that it does not where it is no better', () => {
    const same = buildReport(input({ base: weak, final: weak }), settings);
    expect(same.verdict).toMatchObject({ beats: false });
    expect(same.verdict!.sentence).toMatch(
      /^final does not beat base at p < .001 .* by strict-tags and robust/,
    );
  });

  it('does not take form for accuracy: better by tags alone is not better', () => {
    const formless = buildReport(
      input({ base: answers((i) => i % 4 !== 1, false), final: strong }),
      settings,
    );
    expect(formless.models[1]!.versusBase!['strict-tags']!.p).toBeLessThan(1e-6);
    expect(formless.verdict).toMatchObject({ beats: false });
    expect(formless.verdict!.sentence).toContain('by robust');
  });

  it('calls a worse model worse, not better, however small p is', () => {
    const worse = buildReport(input({ base: strong, final: weak }), settings);
    expect(worse.models[1]!.versusBase!['robust']!.p).toBeLessThan(1e-6);
    expect(worse.verdict!.beats).toBe(false);
  });

  it('carries the honesty marks', () => {
    expect(report.benchmark.synthetic).toBe(true);
    expect(report.honesty).toMatchObject({ humanReviews: 0, ruleReviews: 7 });
    expect(report.honesty.notes).toEqual([
      expect.stringMatching(/^synthetic: /),
      '0 human reviews; a rule decided 7 traces in their place',
      'the base was given a known fault on purpose',
    ]);
  });

  it('keeps answers given without the image apart', () => {
    const blind = answers(() => false, true, true).filter((one) => one.groups['modality'] === 'image');
    const seen = buildReport(input({ base: [...weak, ...blind], final: strong }), settings);
    expect(seen.models[0]!.sections['robust']!.overall.answers).toBe(160);
    expect(seen.models[0]!.imageBlind!['robust']!.overall).toMatchObject({ answers: 32, right: 0 });
    expect(seen.models[1]!.imageBlind).toBeNull();
  });

  it('has the constant-letter and the uniform baseline, by group too', () => {
    const [constant, uniform] = plainBaselines(cases);
    expect(constant).toMatchObject({ name: 'constant-letter', overall: 27 / 80 });
    expect(constant!.about).toContain('always A');
    expect(uniform).toMatchObject({ name: 'uniform', overall: 0.25 });
    expect(uniform!.groups['specialty']).toEqual({ AM: 0.25, BS: 0.25, CAH: 0.25, CSI: 0.25 });
  });

  it('counts cases that were not asked as absent', () => {
    const few = weak.filter((one) => one.caseId !== 'case-00');
    expect(buildReport(input({ base: few }), settings).benchmark).toMatchObject({ cases: 80, absent: 1 });
  });

  it('refuses answers to other cases and a base that is not there', () => {
    const stray = [{ ...weak[0]!, caseId: 'elsewhere' }];
    expect(() => buildReport(input({ base: weak, final: stray }), settings)).toThrow(
      /final answered elsewhere/,
    );
    expect(() => buildReport(input({ final: strong }), settings)).toThrow(
      /the base base has no answers; there are those of final/,
    );
  });

  it('is the same from the same answers', () => {
    expect(buildReport(input({ base: weak, final: strong }), settings)).toEqual(report);
  });
});
