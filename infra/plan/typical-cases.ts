import { DRAWING_SIDE } from '../../activities/clinic/drawing.ts';
import type { Source } from '../../schemas/config/sources.ts';

/** What cases of a format are like where their files are not at hand. */
interface TypicalCases {
  /** Records of the public files. */
  readonly records?: number;
  /** Tokens of a question as a model is asked it: plain prompt, chat template, no images. */
  readonly question: number;
  /** Images of a case, on average. */
  readonly images: number;
  /** Width and height of an image, in pixels. */
  readonly size: readonly [width: number, height: number];
  /** Where records and questions are from. */
  readonly note: string;
  /** Where the size of images is from. */
  readonly sizeNote: string;
}

/** Larger than `maxPixels` of the presets, so that an image has nearly the most tokens it may have. */
const LARGE = [1024, 768] as const;
const ESTIMATE = 'an estimate';

/**
 * Measured are questions with the tokenizer and chat template of Qwen2-VL, by `plan --model` with the files at hand.
 * Record counts are those of the authors.
 */
export const typicalCases: Readonly<Record<Source['format'], TypicalCases>> = {
  clinic: {
    question: 70,
    images: 0,
    size: [DRAWING_SIDE, DRAWING_SIDE],
    note: "an estimate for the demo's bank and tokenizer",
    sizeNote: 'as they are drawn',
  },
  jsonl: { question: 300, images: 0, size: LARGE, note: ESTIMATE, sizeNote: ESTIMATE },
  medqa: {
    records: 10_178,
    question: 258,
    images: 0,
    size: LARGE,
    note: 'mean of the 1,273 questions of US/test.jsonl, rows of US/train.jsonl',
    sizeNote: ESTIMATE,
  },
  jama: {
    records: 1524,
    question: 300,
    images: 1,
    size: LARGE,
    note: 'an estimate, since the articles may not be passed on; articles of jama_links.json',
    sizeNote: ESTIMATE,
  },
  medxpertqa: {
    records: 2000,
    question: 198,
    images: 1.426,
    size: LARGE,
    note: 'mean of the 2,000 questions of MM/test.jsonl',
    sizeNote: 'an estimate: 2,852 files have 524 MB',
  },
  'pmc-vqa': {
    records: 33_430,
    question: 90,
    images: 1,
    size: [512, 512],
    note: 'an estimate, rows of test_2.csv',
    sizeNote: ESTIMATE,
  },
  omnimedvqa: {
    records: 88_996,
    question: 81,
    images: 1,
    size: [224, 224],
    note: 'mean of 900 questions, records of the open part',
    sizeNote: 'median of 11 images',
  },
  'gmai-mmbench': {
    records: 4550,
    question: 90,
    images: 1,
    size: [512, 512],
    note: 'an estimate, rows of VAL',
    sizeNote: ESTIMATE,
  },
};
