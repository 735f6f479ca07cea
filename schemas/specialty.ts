import { z } from 'zod';

/** The paper's four disjoint specialties: adult medicine, child and adolescent health, brain and senses, cancer/surgery/injury. */
export const Specialty = z.enum(['AM', 'CAH', 'BS', 'CSI']);
export type Specialty = z.infer<typeof Specialty>;
