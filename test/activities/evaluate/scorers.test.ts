import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { similarity } from '../../../activities/evaluate/scorers/difflib.ts';
import type { Profile, Question } from '../../../activities/evaluate/scorers/profile.ts';
import { PROFILES, profileNamed, readResponse } from '../../../activities/evaluate/scorers/profiles.ts';
import { hasShared, shared } from '../../_shared.ts';

const lettered = (texts: readonly string[]) =>
  texts.map((text, i) => ({ letter: String.fromCodePoint(65 + i), text }));
const jsonl = (path: string) =>
  readFileSync(shared(path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe.skipIf(!hasShared)("upstream's own answers", () => {
  const vectors = hasShared ? jsonl('golden/scorers/vectors.jsonl') : [];
  const answers = (profile: string) =>
    vectors.map(({ response, options, gold }) =>
      profileNamed(profile).read(response, { options: lettered(options), gold }),
    );

  it('are reproduced by medevalkit, right and wrong alike', () => {
    expect(answers('medevalkit').map((reading) => reading.correct)).toEqual(
      vectors.map((row) => row.medevalkit_with_extract),
    );
    // The vectors' second column was made with the options prefixed as the first one's.
    const prefixed = vectors.map(({ response, options, gold }) => {
      const texts = lettered(options).map((option) => ({
        ...option,
        text: `${option.letter}. ${option.text}`,
      }));
      return profileNamed('medevalkit-pmc').read(response, { options: texts, gold }).correct;
    });
    expect(prefixed).toEqual(vectors.map((row) => row['medevalkit_no_extract(PMC_VQA)']));
  });

  it('are reproduced by vlmevalkit, letter by letter', () => {
    expect(answers('vlmevalkit').map((reading) => reading.letter ?? false)).toEqual(
      vectors.map((row) => row.vlmevalkit_can_infer),
    );
  });

  it('are reproduced by medxpertqa, letter by letter', () => {
    expect(answers('medxpertqa').map((reading) => (reading.letter === null ? [] : [reading.letter]))).toEqual(
      vectors.map((row) => row.medxpertqa_official_pred),
    );
  });

  it("are reproduced on MedEvalKit's edge cases", () => {
    const rows = jsonl('golden/scorers/medevalkit-edge.jsonl');
    const got = rows.map(
      ({ choices, gold, response }) =>
        profileNamed('medevalkit').read(response, { options: lettered(choices), gold }).correct,
    );
    expect(got).toEqual(rows.map((row) => row.medevalkit));
  });

  it("are reproduced for difflib's ratio, autojunk included", () => {
    for (const { a, b, ratio } of JSON.parse(
      readFileSync(shared('golden/scorers/difflib_ratio_vectors.json'), 'utf8'),
    ))
      expect(similarity(a, b)).toBe(ratio);
  });
});

const question: Question = {
  options: lettered([
    'Lateral collateral ligament complex repair',
    'Capsular plication',
    'Radial head replacement',
    'Radial head ORIF',
    'Medial collateral ligament complex reconstruction',
  ]),
  gold: 'C',
};
const letter = (profile: Profile, response: string, of = question): string | null =>
  profile.read(response, of).letter;

describe('the robust profile', () => {
  const robust = profileNamed('robust');
  it.each([
    ['C', 'C'],
    ['C.', 'C'],
    ['c', 'C'],
    ['(C)', 'C'],
    ['**C**', 'C'],
    ['Option C', 'C'],
    ['<answer>(C)</answer>', 'C'],
    ['<answer>C</answer>', 'C'],
    ['<answer>C. Radial head replacement</answer>', 'C'],
    ['<answer>Radial head replacement</answer>', 'C'],
    ['<answer>C', 'C'],
    ['<answer>A</answer> wait <answer>C</answer>', 'C'],
    ['\\boxed{C}', 'C'],
    ['\\boxed{\\text{C}}', 'C'],
    ['The final answer is $\\boxed{C}$.', 'C'],
    ['<think>Consider A.</think><answer> C </answer>', 'C'],
    ['<think>Consider A.</think>\nThe answer is C.', 'C'],
    ["The correct answer is **C**. Here's why: A would be too stiff.", 'C'],
    ['The answer is c.\nExplanation: A is wrong.', 'C'],
    ['The answer is not A but C.', 'C'],
    ['Answer: C', 'C'],
    ['I think it is C because it is stable', 'C'],
    ['A patient with a fracture would benefit from option C', 'C'],
    ['radial head replacement.', 'C'],
    ['The surgeon should choose radial head replacement here', 'C'],
    ['Therefore, among A through E, the answer is C', 'C'],
    ['<think>A does not fit. So Radial head replacement</think>', 'C'],
    ['答案：C', 'C'],
  ])('reads %j as %s', (response, expected) => {
    expect(letter(robust, response)).toBe(expected);
  });

  it.each([
    ['', 'an empty response'],
    ['<answer></answer>', 'an empty answer'],
    ['<answer>C or D</answer>', 'two letters'],
    ['<answer>A fracture of the elbow</answer>', 'an article'],
    ['<think>It could be C', 'reasoning that was never closed'],
    ['The image shows something. The image shows something.', 'no option at all'],
    ['Either B or C would do', 'two options'],
    ['I cannot tell from this image.', 'a refusal'],
    ['<answer>F</answer>', 'a letter that is no option'],
  ])('reads %j as unparsed: %s', (response) => {
    expect(robust.read(response, question)).toMatchObject({ letter: null, correct: false });
  });

  it('does not credit a wrong letter for text that resembles the right option', () => {
    expect(
      robust.read(
        'The correct answer is **E**. Here is why: replacement of the radial head fails.',
        question,
      ),
    ).toMatchObject({ letter: 'E', correct: false });
  });

  it('takes a longer option text over a shorter one inside it', () => {
    const options = lettered(['pneumonia', 'aspiration pneumonia']);
    expect(letter(robust, 'This is aspiration pneumonia', { options, gold: 'B' })).toBe('B');
  });

  it('says which rule found the letter and where', () => {
    expect(robust.read('<think>x</think><answer> C </answer>', question)).toEqual({
      letter: 'C',
      method: 'answer-tag/letter',
      span: 'C',
      correct: true,
    });
  });
});

describe('the strict profile', () => {
  const strict = profileNamed('strict-tags');
  it.each([
    '<think>why</think><answer>C</answer>',
    ' <think>why</think>\n<answer> C </answer>\n',
    '<answer>C</answer>',
  ])('reads %j', (response) => {
    expect(strict.read(response, question)).toMatchObject({ letter: 'C', correct: true });
  });
  it.each([
    'C',
    '<answer>(C)</answer>',
    '<answer>c</answer>',
    '<answer>C. Radial head replacement</answer>',
    '<answer>C</answer><think>why</think>',
    '<think>why</think><answer>C',
    '<answer>A</answer><answer>C</answer>',
    '<think>why</think> so <answer>C</answer>',
    '<think>a<think>b</think><answer>C</answer>',
  ])('leaves %j unparsed', (response) => {
    expect(strict.read(response, question).letter).toBeNull();
  });
});

describe('scorer profiles', () => {
  it('count a truncated response as unparsed where they are ours and read it where they are upstream', () => {
    const cut = ['robust', 'strict-tags', 'vlmevalkit'].map(
      (name) => readResponse(profileNamed(name), 'The answer is C', question, true).letter,
    );
    expect(cut).toEqual([null, null, 'C']);
  });

  it('find the right option by its text where the benchmark gives no letter', () => {
    const gold = 'radial head replacement.';
    expect(profileNamed('robust').read('C', { ...question, gold }).correct).toBe(true);
  });

  it('judge MedVLThinker answers by letter, text or both', () => {
    const reads = [
      'c',
      '<answer>Radial head replacement</answer>',
      '<answer>C. radial head replacement</answer>',
      '(C)',
    ];
    const profile = profileNamed('medvlthinker');
    expect(reads.map((response) => profile.read(response, question).correct)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('have distinct names, and another name is an error that lists them', () => {
    expect(new Set(PROFILES.map((profile) => profile.name)).size).toBe(PROFILES.length);
    expect(() => profileNamed('strict')).toThrow(/"strict"; there are strict-tags, robust/);
  });
});
