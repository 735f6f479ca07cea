/**
 * Four disjoint specialties whose union is the set (eq. 1), each split by case into training and validation, balanced by
 * modality. A case's traces stay together, so that nothing of a validation case is trained on.
 */
import type { z } from 'zod';
import type { Case } from '../../schemas/case.ts';
import { Stratify } from '../../schemas/config/data.ts';
import type { SftRow } from '../../schemas/message.ts';
import { Specialty } from '../../schemas/specialty.ts';
import type { Trace } from '../../schemas/trace.ts';
import { permutation, randomKey } from '../nn/random.ts';
import { answeredCase } from '../prompts/case-prompt.ts';

export const StratifyParams = Stratify;
export type StratifyParams = z.infer<typeof StratifyParams>;

export interface Split {
  readonly train: readonly SftRow[];
  readonly validation: readonly SftRow[];
}

export interface Stratified {
  readonly sets: Readonly<Record<Specialty | 'union', Split>>;
  /** Cases with an accepted trace: what RL asks, and what it is validated on. */
  readonly queries: { readonly train: readonly Case[]; readonly validation: readonly Case[] };
}

/** A case that cannot be placed. The message names it and the stage that should have. */
export class NotClassified extends Error {
  override name = 'NotClassified' as const;
}

const specialtyOf = (one: Case): Specialty => {
  if (one.specialty === undefined)
    throw new NotClassified(`${one.id} has no specialty: classify comes first`);
  return one.specialty;
};

/** Ids of the cases that go to validation: the same share of each specialty's image cases and text cases. */
function validationIds(cases: readonly Case[], { validationShare, seed }: StratifyParams): Set<string> {
  const held = new Set<string>();
  for (const specialty of Specialty.options)
    for (const modality of ['image', 'text']) {
      const group = cases
        .filter((one) => specialtyOf(one) === specialty)
        .filter(({ images }) => images.length > 0 === (modality === 'image'))
        .map(({ id }) => id)
        .toSorted();
      const order = permutation(randomKey(seed, 'stratify', specialty, modality), group.length);
      const share = Math.round(group.length * validationShare);
      for (let i = 0; i < share; i++) held.add(group[order[i]!]!);
    }
  return held;
}

/** Splits accepted traces by specialty and into training and validation, in order of case and paradigm. */
export function stratify(
  cases: readonly Case[],
  traces: readonly Trace[],
  params: StratifyParams,
): Stratified {
  const withTraces = new Set(traces.map(({ caseId }) => caseId));
  const used = cases.filter(({ id }) => withTraces.has(id)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const byId = new Map(used.map((one) => [one.id, one]));
  const held = validationIds(used, params);
  const rows = traces.map((trace) => {
    const one = byId.get(trace.caseId);
    if (one === undefined)
      throw new NotClassified(`trace ${trace.digest} is about ${trace.caseId}, which is not among the cases`);
    const paradigm = params.prompt === 'guided' ? trace.paradigm : null;
    const row: SftRow = {
      id: `${one.id}/${trace.paradigm}`,
      messages: answeredCase(one, paradigm, trace.response),
      images: one.images,
    };
    return { specialty: specialtyOf(one), held: held.has(one.id), row };
  });
  rows.sort((a, b) => (a.row.id! < b.row.id! ? -1 : 1));
  const split = (wanted: Specialty | 'union'): Split => {
    const own = rows.filter(({ specialty }) => wanted === 'union' || specialty === wanted);
    return {
      train: own.filter((one) => !one.held).map(({ row }) => row),
      validation: own.filter((one) => one.held).map(({ row }) => row),
    };
  };
  return {
    sets: { AM: split('AM'), CAH: split('CAH'), BS: split('BS'), CSI: split('CSI'), union: split('union') },
    queries: {
      train: used.filter(({ id }) => !held.has(id)),
      validation: used.filter(({ id }) => held.has(id)),
    },
  };
}
