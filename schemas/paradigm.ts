import { z } from 'zod';

/** The four ways of diagnostic reasoning that guide the teacher and GBA (Savage et al. 2024). */
export const Paradigm = z.enum(['differential', 'intuitive', 'analytical', 'bayesian']);
export type Paradigm = z.infer<typeof Paradigm>;
