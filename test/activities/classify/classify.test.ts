import { describe, expect, it } from 'vitest';
import { classifyCases } from '../../../activities/classify/classify.ts';
import { demo } from '../../../schemas/presets/demo.ts';
import { caseWith } from '../_cases.ts';

const specialtyOf = (fields: Parameters<typeof caseWith>[0]) =>
  classifyCases([caseWith(fields)], demo.classify).cases[0]?.specialty;

describe('classify', () => {
  it('puts patients under 18 into CAH, whatever the field', () => {
    expect(specialtyOf({ ageYears: 17.9, topics: ['neoplasm'] })).toBe('CAH');
    expect(specialtyOf({ ageYears: 18, topics: ['neoplasm'] })).toBe('CSI');
  });

  it('prefers neoplasm, surgery and trauma to brain and senses, and falls back to adult medicine', () => {
    expect(specialtyOf({ topics: ['eye', 'surgery'] })).toBe('CSI');
    expect(specialtyOf({ topics: ['Neurology'] })).toBe('BS');
    expect(specialtyOf({ topics: ['kidney'] })).toBe('AM');
    expect(specialtyOf({})).toBe('AM');
  });

  it('counts cases that rows of several specialties fit, and cases that none fits', () => {
    const { counts, collisions, unmatched } = classifyCases(
      [
        caseWith({ ageYears: 3, topics: ['trauma'] }),
        caseWith({ topics: ['eye', 'trauma'] }),
        caseWith({ topics: ['surgery', 'trauma'] }),
        caseWith({ topics: [] }),
      ],
      demo.classify,
    );
    expect({ collisions, unmatched }).toEqual({ collisions: 2, unmatched: 1 });
    expect(counts).toEqual({ AM: 1, CAH: 1, BS: 0, CSI: 2 });
  });
});
