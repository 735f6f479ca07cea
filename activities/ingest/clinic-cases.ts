/** Draws the cases of a clinic source: as many of each specialty, an even share of them with a drawing. */
import type { Case } from '../../schemas/case.ts';
import { Specialty } from '../../schemas/specialty.ts';
import type { Bank } from '../clinic/bank.ts';
import { caseRow } from '../clinic/case-row.ts';
import { drawCase } from '../clinic/cases.ts';
import { createDraws } from '../clinic/draws.ts';
import { drawSign } from '../clinic/drawing.ts';
import { randomKey } from '../nn/random.ts';
import type { ClinicParams } from './params.ts';

export interface DrawnCase {
  readonly row: Case;
  /** Raw RGB of the row's image, [56, 56, 3]; null where it has none. */
  readonly drawing: Uint8Array | null;
}

/** Cases in order of specialty and number. A case depends on the bank, the seed, the split and its own number only. */
export function* clinicCases(bank: Bank, params: ClinicParams): Generator<DrawnCase> {
  const { seed, split, imageShare, casesPerSpecialty } = params;
  for (const specialty of Specialty.options)
    for (let n = 0; n < casesPerSpecialty; n++) {
      const image = Math.floor((n + 1) * imageShare) > Math.floor(n * imageShare);
      const draws = createDraws(randomKey(seed, 'case', split, specialty, n));
      const drawn = drawCase(bank, specialty, image, draws);
      const id = `clinic-${split}-${seed}-${specialty}-${String(n).padStart(4, '0')}`;
      const drawing =
        drawn.sign === null
          ? null
          : drawSign(bank.signs.indexOf(drawn.sign), randomKey(seed, 'case-drawing', split, specialty, n));
      yield { row: caseRow(bank, drawn, id, split), drawing };
    }
}
