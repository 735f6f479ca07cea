import { describe, expect, it } from 'vitest';
import { BadCaseText, parseQuestion, writeQuestion } from '../../../activities/clinic/case-text.ts';
import { bayesLetter, caseRow, evidenceOf } from '../../../activities/clinic/case-row.ts';
import { drawCase, NoSuchCase } from '../../../activities/clinic/cases.ts';
import { createDraws } from '../../../activities/clinic/draws.ts';
import { argmax, posteriors, priors } from '../../../activities/clinic/posterior.ts';
import { randomKey } from '../../../activities/nn/random.ts';
import { Case } from '../../../schemas/case.ts';
import { Specialty } from '../../../schemas/specialty.ts';
import { bank, drawCases } from './_bank.ts';

const COUNT = 150;
const text = Specialty.options.flatMap((pool) => drawCases(pool, false, COUNT));
const imaged = Specialty.options.flatMap((pool) => drawCases(pool, true, COUNT));

describe('drawn cases', () => {
  it('have a gold option whose posterior is the largest and at least .6', () => {
    for (const drawn of [...text, ...imaged]) {
      const all = posteriors(bank, drawn);
      expect(argmax(all)).toBe(drawn.gold);
      expect(all[drawn.gold]).toBeGreaterThanOrEqual(0.6);
    }
  });

  it('need their drawing where they have one: the best option by the text alone is another', () => {
    for (const drawn of imaged)
      expect(argmax(posteriors(bank, { ...drawn, sign: null }))).not.toBe(drawn.gold);
  });

  it('spread the right letter evenly', () => {
    const counts = [0, 0, 0, 0];
    for (const { gold } of [...text, ...imaged]) counts[gold]!++;
    const expected = (text.length + imaged.length) / 4;
    const chi2 = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi2).toBeLessThan(11.34); // p = .01 at three degrees of freedom
  });

  it('have four options of one pool, five findings, and reach every condition', () => {
    for (const drawn of [...text, ...imaged]) {
      expect(new Set(drawn.options).size).toBe(4);
      expect(drawn.findings).toHaveLength(5);
      for (const name of drawn.options) expect(bank.byName.get(name)?.pool).toBe(drawn.pool);
    }
    expect(new Set(text.map(({ options, gold }) => options[gold])).size).toBe(48);
  });

  it('are not solved by the most common option: that is a fault to be trained away', () => {
    const right = [...text, ...imaged].filter((drawn) => argmax(priors(bank, drawn.options)) === drawn.gold);
    expect(right.length / (text.length + imaged.length)).toBeLessThan(0.4);
  });

  it('are the same for the same key and others for another', () => {
    const draw = (n: number) => drawCase(bank, 'AM', false, createDraws(randomKey(5, n)));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('are refused with the reason where the conditions cannot be told apart', () => {
    const alike = {
      ...bank,
      conditions: bank.conditions.map((row) => ({ ...row, prevalence: 'rare' as const, findings: {} })),
    };
    const byName = new Map(alike.conditions.map((row) => [row.name, row]));
    const draws = createDraws(randomKey(1));
    expect(() => drawCase({ ...alike, byName }, 'AM', false, draws)).toThrow(NoSuchCase);
  });
});

describe('the text of a case', () => {
  it('is read back to the same findings', () => {
    for (const drawn of text) {
      const { age, setting, findings } = drawn;
      expect(parseQuestion(bank, writeQuestion(drawn))).toEqual({ age, setting, findings });
    }
  });

  it('is refused with the word that is not the bank’s', () => {
    expect(() => parseQuestion(bank, 'adult clinic with fever hiccups')).toThrow(/hiccups is no finding/);
    expect(() => parseQuestion(bank, 'adult clinic with fever no')).toThrow(/what follows "no"/);
    expect(() => parseQuestion(bank, 'A 45-year-old man has a fever')).toThrow(BadCaseText);
  });
});

describe('a case as a row', () => {
  const rows = [...text.slice(0, 60), ...imaged.slice(0, 60)].map((drawn, i) =>
    caseRow(bank, drawn, `clinic-test-1-${i}`, 'test'),
  );

  it('is a valid case, marked as synthetic, and may not be trained on when held out', () => {
    for (const row of rows) {
      expect(Case.parse(row)).toEqual(row);
      expect(row).toMatchObject({ synthetic: true, mayTrain: false, source: 'clinic' });
    }
  });

  it('is answered right by Bayes’ rule from its text and drawing, and never without the drawing it needs', () => {
    for (const row of rows) {
      expect(bayesLetter(bank, row)).toBe(row.gold);
      if (row.images.length > 0) expect(bayesLetter(bank, row, 'blind')).not.toBe(row.gold);
    }
  });

  it('gives back the evidence it was made from', () => {
    const { findings, sign, options } = imaged[0]!;
    expect(evidenceOf(bank, caseRow(bank, imaged[0]!, 'x', 'train'))).toEqual({ findings, sign, options });
  });
});
