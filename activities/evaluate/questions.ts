/** What a model is asked about the cases of a benchmark, in the order that its answers are written in. */
import type { Case } from '../../schemas/case.ts';
import type { EvaluateParams } from '../../schemas/evaluate-params.ts';
import type { Message } from '../../schemas/message.ts';
import type { Paradigm } from '../../schemas/paradigm.ts';
import { casePrompt } from '../prompts/case-prompt.ts';

/** A case with the files of its images; null where one is not there. */
export interface AskedCase {
  readonly case: Case;
  readonly images: readonly string[] | null;
}

export interface CaseQuestion {
  /** Unlike that of any other question; it keys random numbers. */
  readonly id: string;
  readonly case: Case;
  readonly paradigm: Paradigm | null;
  readonly blind: boolean;
  readonly message: Message;
  /** Files of the images that the message shows. */
  readonly images: readonly string[];
}

/**
 * Case by case, under each paradigm, image cases then again without their images. A case that lacks an image file is
 * asked only where no image is shown to any.
 */
export function questionsOf(
  cases: readonly AskedCase[],
  { prompt, paradigms, blind }: Pick<EvaluateParams, 'prompt' | 'paradigms' | 'blind'>,
): CaseQuestion[] {
  const guides = prompt === 'plain' ? [null] : paradigms;
  return cases.flatMap(({ case: one, images }) => {
    const ask = (paradigm: Paradigm | null, without: boolean): CaseQuestion => ({
      id: [one.id, paradigm ?? 'plain', ...(without ? ['blind'] : [])].join('/'),
      case: one,
      paradigm,
      blind: without,
      message: casePrompt(without ? { ...one, images: [] } : one, paradigm),
      images: without ? [] : (images ?? []),
    });
    if (blind === 'only') return guides.map((paradigm) => ask(paradigm, true));
    if (images === null) return [];
    const again = blind === 'also' && images.length > 0;
    return [
      ...guides.map((paradigm) => ask(paradigm, false)),
      ...(again ? guides.map((paradigm) => ask(paradigm, true)) : []),
    ];
  });
}
