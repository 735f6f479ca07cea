import { z } from 'zod';

/** When a training is validated, which of its adapters is kept, and when it ends early. Validation rows alone decide. */
export const validationFields = {
  /** Optimizer steps between two validations; the last step is validated too. Null: never. */
  validateEvery: z.int().positive().nullable().default(null),
  /** The adapter that is written: of the last step, or of the validation with the best score (the earliest of equals). */
  keep: z.enum(['last', 'best']).default('last'),
  /** The training ends after this many validations in a row that improve on nothing. Null: it runs to its end. */
  patience: z.int().positive().nullable().default(null),
  /** An improvement is larger than this. */
  minDelta: z.number().nonnegative().default(0),
} as const;

export const ValidationSettings = z.strictObject(validationFields);
export type ValidationSettings = z.infer<typeof ValidationSettings>;

/** Refuses a choice by validation where nothing is validated; a refinement of any object with these fields. */
export const validationFits = (
  settings: ValidationSettings,
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void => {
  if (settings.validateEvery !== null) return;
  const refuse = (field: string, value: string | number): void =>
    context.addIssue({
      code: 'custom',
      path: [field],
      message: `is ${value}, but validateEvery is null: nothing is validated`,
    });
  if (settings.keep === 'best') refuse('keep', 'best');
  if (settings.patience !== null) refuse('patience', settings.patience);
};
