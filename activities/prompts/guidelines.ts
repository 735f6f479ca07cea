/**
 * The four guideline paradigms as a prompt states them to a model under training or evaluation (Savage et al. 2024,
 * "Diagnostic reasoning prompts reveal the potential for large language model interpretability in medicine").
 */
import type { Paradigm } from '../../schemas/paradigm.ts';

export type Guidelines = Readonly<Record<Paradigm, string>>;

export const GUIDELINES: Guidelines = {
  differential:
    'Reason by differential diagnosis: list what could explain the findings, weigh each possibility against them, and narrow the list step by step to the one that fits best.',
  intuitive:
    'Reason intuitively, as an experienced clinician does: name the pattern that the case as a whole brings to mind, the findings that make it typical, and decide.',
  analytical:
    'Reason analytically: from the pathophysiology behind each finding, deduce which option explains the findings and which options they rule out.',
  bayesian:
    'Reason by Bayes: give each option a prior probability, update it with each finding by how likely the finding is under the option, and compare the posterior probabilities.',
};
