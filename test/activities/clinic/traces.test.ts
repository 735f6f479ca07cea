import { describe, expect, it } from 'vitest';
import { findFault } from '../../../activities/clinic/adherence.ts';
import { reasonAnchored } from '../../../activities/clinic/anchored.ts';
import type { Evidence } from '../../../activities/clinic/posterior.ts';
import { reasonByBank } from '../../../activities/clinic/reasoning.ts';
import { writeTrace } from '../../../activities/clinic/traces.ts';
import { Paradigm } from '../../../schemas/paradigm.ts';
import { Specialty } from '../../../schemas/specialty.ts';
import { bank, drawCases } from './_bank.ts';

const evidence: Evidence = {
  findings: [
    { name: 'barking', present: true },
    { name: 'rash', present: false },
    { name: 'fever', present: true },
    { name: 'stridor', present: true },
  ],
  sign: null,
  options: ['measles', 'croup', 'mumps', 'rickets'],
};
const trace = (paradigm: Paradigm, seen = evidence) => writeTrace(paradigm, reasonByBank(bank, seen));

describe('traces', () => {
  it('list what fits and a score under differential diagnosis', () => {
    expect(trace('differential')).toBe(
      '<think>A measles fits fever score one\nB croup fits barking fever stridor score three\nC mumps fits score zero\nD rickets fits score zero\nso B croup</think><answer>B</answer>',
    );
  });

  it('name the strongest finding and decide under intuitive reasoning', () => {
    expect(trace('intuitive')).toBe(
      '<think>A measles fever no\nB croup barking yes\nC mumps nothing no\nD rickets nothing no\nso B croup</think><answer>B</answer>',
    );
  });

  it('separate what follows from what does not under analytical reasoning', () => {
    expect(trace('analytical')).toBe(
      '<think>A measles from fever not barking stridor\nB croup from barking fever stridor\nC mumps from not barking fever stridor\nD rickets from not barking fever stridor\nso B croup</think><answer>B</answer>',
    );
  });

  it('go from prior to posterior bands under Bayesian reasoning', () => {
    expect(trace('bayesian')).toBe(
      '<think>A measles prior fair see fever posterior remote\nB croup prior high see barking fever stridor posterior sure\nC mumps prior low see posterior remote\nD rickets prior low see posterior remote\nso B croup</think><answer>B</answer>',
    );
  });

  it('begin with what a drawing shows and count it for the condition whose sign it is', () => {
    const sign = bank.byName.get('mumps')!.sign;
    expect(trace('differential', { ...evidence, sign })).toContain(`<think>shows ${sign}\n`);
    expect(trace('differential', { ...evidence, sign })).toContain(`C mumps fits ${sign} score two`);
  });
});

describe('the anchored mind', () => {
  it('concludes the most common option, of equals the one with more known findings', () => {
    for (const pool of Specialty.options)
      for (const drawn of drawCases(pool, true, 40)) {
        const weight = (name: string) => bank.prevalence[bank.byName.get(name)!.prevalence];
        const { answer } = reasonAnchored(bank, drawn);
        expect(weight(drawn.options[answer]!)).toBe(Math.max(...drawn.options.map(weight)));
      }
  });

  it('is right on about a third of specialty cases, and names a drawing without using it', () => {
    const drawn = Specialty.options.flatMap((pool) => [
      ...drawCases(pool, false, 160),
      ...drawCases(pool, true, 40),
    ]);
    const reasoned = drawn.map((one) => reasonAnchored(bank, one));
    const right = reasoned.filter(({ answer }, i) => answer === drawn[i]!.gold).length / drawn.length;
    expect(right).toBeGreaterThan(0.25);
    expect(right).toBeLessThan(0.42);
    for (const [i, { shows, options }] of reasoned.entries()) {
      expect(shows).toBe(drawn[i]!.sign);
      expect(options.every(({ sign }) => sign === null)).toBe(true);
    }
  });
});

describe('the review of adherence', () => {
  const drawn = Specialty.options.flatMap((pool) => [
    ...drawCases(pool, false, 20),
    ...drawCases(pool, true, 10),
  ]);

  it('finds no fault in what the bank itself reasons, under any paradigm', () => {
    for (const one of drawn)
      for (const paradigm of Paradigm.options)
        expect(findFault(bank, one, paradigm, trace(paradigm, one))).toBeUndefined();
  });

  it('lets a posterior be one band off, and no more', () => {
    const right = trace('bayesian');
    const off = (band: string) => right.replace('posterior sure', `posterior ${band}`);
    expect(findFault(bank, evidence, 'bayesian', off('high'))).toBeUndefined();
    expect(findFault(bank, evidence, 'bayesian', off('fair'))).toBe(
      'B croup: posterior fair, by the bank sure: more than one band off',
    );
  });

  it('rejects a wrong score, a wrong strongest finding and a finding on the wrong side', () => {
    const fault = (paradigm: Paradigm, from: string, to: string) =>
      findFault(bank, evidence, paradigm, trace(paradigm).replace(from, to));
    expect(fault('differential', 'score three', 'score two')).toBe('B croup: score two, by the bank three');
    expect(fault('intuitive', 'croup barking', 'croup fever')).toMatch(
      /strongest finding fever, by the bank barking/,
    );
    expect(fault('analytical', 'from fever not barking', 'from not fever barking')).toMatch(
      /says that nothing fits/,
    );
  });

  it('rejects a trace of another paradigm, one that skips an option, and one without a conclusion', () => {
    expect(findFault(bank, evidence, 'bayesian', trace('differential'))).toMatch(
      /no prior, evidence and posterior/,
    );
    expect(findFault(bank, evidence, 'intuitive', trace('intuitive').replace(/C mumps.*\n/, ''))).toMatch(
      /3 lines for 4 options/,
    );
    expect(findFault(bank, evidence, 'intuitive', trace('intuitive').replace('so B croup', ''))).toBe(
      'no conclusion',
    );
  });

  it('rejects a misread drawing', () => {
    const sign = bank.byName.get('mumps')!.sign;
    const other = bank.signs.find((name) => name !== sign)!;
    const read = trace('differential', { ...evidence, sign: other });
    expect(findFault(bank, { ...evidence, sign }, 'differential', read)).toBe(
      `says that the drawing shows ${other}, it shows ${sign}`,
    );
  });
});
