import { describe, expect, it } from 'vitest';
import { answeredCase, casePrompt } from '../../../activities/prompts/case-prompt.ts';
import { caseWith } from '../_cases.ts';

describe('the prompt of a case', () => {
  it('asks a clinic case in the clinic’s own words, with or without a method', () => {
    const one = caseWith({ source: 'clinic', question: 'infant home with stridor no rash' });
    const plain = 'infant home with stridor no rash\nA gout\nB croup\nC burn\nD stroke';
    expect(casePrompt(one, null)).toEqual({ role: 'user', content: plain });
    expect(casePrompt(one, 'bayesian').content).toBe(`${plain}\nmethod bayesian`);
  });

  it('asks any other case in full, with the guideline and the form of the answer', () => {
    const { content } = casePrompt(caseWith({}), 'differential');
    expect(content).toMatch(
      /^What is it\?\n\nA\. gout\nB\. croup\nC\. burn\nD\. stroke\n\nReason by differential/,
    );
    expect(content).toMatch(/inside <answer><\/answer>\.$/);
    expect(casePrompt(caseWith({}), null).content).not.toMatch(/differential/);
  });

  it('states other guidelines in place of the project’s own, to the clinic’s cases too', () => {
    const guidelines = {
      differential: 'List.',
      intuitive: 'Feel.',
      analytical: 'Deduce.',
      bayesian: 'Update.',
    };
    const general = casePrompt(caseWith({}), 'bayesian', guidelines).content;
    expect(general).toMatch(/\n\nUpdate\.\nWrite your reasoning/);
    const clinic = caseWith({ source: 'clinic', question: 'stridor' });
    expect(casePrompt(clinic, 'intuitive', guidelines).content).toMatch(/\nFeel\.$/);
    expect(casePrompt(clinic, null, guidelines)).toEqual(casePrompt(clinic, null));
  });

  it('puts images before the text, one part each', () => {
    const { content } = casePrompt(caseWith({ images: ['a.png', 'b.png'] }), null);
    expect(content).toMatchObject([{ type: 'image' }, { type: 'image' }, { type: 'text' }]);
  });

  it('never says which option is right', () => {
    const one = caseWith({ topics: ['secret'], groups: { secret: 'secret' } });
    const other = { ...one, gold: 'C' };
    expect(casePrompt(one, 'intuitive')).toEqual(casePrompt(other, 'intuitive'));
    expect(JSON.stringify(casePrompt(one, 'intuitive'))).not.toContain('secret');
  });

  it('ends a training row with the response', () => {
    const messages = answeredCase(caseWith({}), null, '<think>x</think><answer>B</answer>');
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  });
});
