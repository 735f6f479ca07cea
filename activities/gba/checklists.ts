/**
 * What reasoning under each paradigm has to say, as patterns (after the ways of reasoning of Savage et al. 2024): the
 * adherence reward is the share of them that a completion's reasoning meets. They look at wording only, which is why
 * the reward has weight 0 unless a config raises it.
 */
import type { Paradigm } from '../../schemas/paradigm.ts';

export type ChecklistOf = (paradigm: Paradigm | null) => readonly RegExp[];

const CHECKLISTS: Readonly<Record<Paradigm, readonly RegExp[]>> = {
  differential: [
    /\b(fits|differential|consider|versus|alternativ)/i,
    /\b(score|rule[sd]? out|less likely|against)/i,
  ],
  intuitive: [/\b(pattern|typical|classic|yes|no)\b/i],
  analytical: [/\b(from|because|since|mechanism|explains?)\b/i, /\b(not?|rules? out|absent)\b/i],
  bayesian: [/\bprior\b/i, /\b(likelihood|see|given|update)/i, /\bposterior\b/i],
};

export const checklistOf: ChecklistOf = (paradigm) => (paradigm === null ? [] : CHECKLISTS[paradigm]);
