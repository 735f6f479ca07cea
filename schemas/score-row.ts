import { z } from 'zod';

const Letter = z.string().regex(/^[A-Z]$/);

/** Options as files have them: texts in order, texts by letter, or both in rows. Read as letters with texts. */
const Options = z
  .union([
    z.array(z.string()),
    z.array(z.looseObject({ letter: Letter, text: z.string() })),
    z.record(Letter, z.string()),
  ])
  .transform((options) => {
    if (!Array.isArray(options)) return Object.entries(options).map(([letter, text]) => ({ letter, text }));
    return options.map((option, i) =>
      typeof option === 'string'
        ? { letter: String.fromCodePoint(65 + i), text: option }
        : { letter: option.letter, text: option.text },
    );
  });

/** A prediction made anywhere: what `score` needs of it. Other fields may be named to group by. */
export const ScoreRow = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  caseId: z.string().optional(),
  paradigm: z.string().nullable().optional(),
  response: z.string(),
  options: Options,
  /** The right option's letter, or its text. */
  gold: z.string(),
  finishReason: z.string().optional(),
  groups: z.record(z.string(), z.string()).optional(),
});
export type ScoreRow = z.infer<typeof ScoreRow>;
