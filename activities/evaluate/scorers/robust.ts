/**
 * The default profile: reads the answer that a reader would take the response to give, whatever its form, and nothing
 * that it does not give. No similarity, no judge model, no guess. The first rule that finds one option decides.
 *
 * 1. `answer-tag`: the last `<answer>` block; an `<answer>` that is never closed, up to the end. A later block corrects
 *    an earlier one. A block that names no option, or several, is unparsed: it is what the response answers.
 * 2. `boxed`: the last `\boxed{…}`, braces balanced, of what is said after the reasoning, else of the reasoning.
 * 3. `phrase`: the last "answer is …", "answer: …", "final answer …", "correct option is …", "答案: …" of what is said,
 *    up to the end of its line, else of its sentence.
 * 4. `said`: all of what is said after the reasoning, where it names one option (see `span.ts`); its first line, then its
 *    last line, where all of it does not.
 * 5. `conclusion`: where nothing is said after a closed reasoning block, that block's last sentence if it starts with
 *    so, therefore, thus or hence, or holds a phrase of rule 3.
 *
 * Letters count in capitals; a small one only where it is the whole span ("c", "(c)"). "A" before a small word is the
 * article, "I" the pronoun; "not C" and "rather than C" name no option. A response cut at its token limit is unparsed,
 * and so is a reasoning block left open.
 */
import { lastBoxed } from './boxed.ts';
import { chose, unparsed, type Profile } from './profile.ts';
import { readSpan } from './span.ts';
import { splitThinking } from './thinking.ts';

const PHRASE =
  /(?:\b(?:final|correct|best|right)\s+(?:answer|option|choice|diagnosis)\b|\banswer\b|答案)[*_]*\s*(?:is\b|are\b|[:：=]|would be\b|是)?[\s*_:：]*/gi;

/** Candidate spans after the last phrase that is followed by something: its line, then its first sentence. */
function phraseSpans(text: string): string[] {
  const last = [...text.matchAll(PHRASE)].at(-1);
  if (last === undefined) return [];
  const line = text
    .slice(last.index + last[0].length)
    .split('\n', 1)[0]!
    .trim();
  const sentence = /^(?:[([]?[A-Z][)\].:]\s+)?[^.!?;]*/.exec(line)?.[0] ?? '';
  return [sentence, line].filter((span) => span.trim() !== '');
}

/** Spans to read, in order of how plainly they state the answer. */
function* spans(response: string): Generator<{ method: string; span: string; final?: true }> {
  const { thinking, said } = splitThinking(response);
  const open = response.lastIndexOf('<answer>');
  if (open >= 0) {
    const end = response.indexOf('</answer>', open);
    const closed = response.slice(open + 8, end < 0 ? undefined : end);
    yield { method: 'answer-tag', span: closed, final: true };
    return;
  }
  const box = lastBoxed(said) ?? lastBoxed(thinking ?? '');
  if (box !== undefined) yield { method: 'boxed', span: box };
  for (const span of phraseSpans(said)) yield { method: 'phrase', span };
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  for (const span of [said, lines[0], lines.at(-1)]) if (span) yield { method: 'said', span };
  if (said !== '' || thinking === null || !response.includes('</think>')) return;
  const closing =
    thinking
      .trim()
      .split(/[.!?;\n]\s+|\n/)
      .findLast((sentence) => sentence.trim() !== '') ?? '';
  const concluded = /^\s*(?:so|therefore|thus|hence)\b[\s,:]*([\s\S]*)$/i.exec(closing)?.[1];
  for (const span of concluded === undefined ? phraseSpans(closing) : [concluded])
    yield { method: 'conclusion', span };
}

export const robust: Profile = {
  name: 'robust',
  about: 'our default: the answer a reader would take the response to give; nothing guessed',
  truncated: 'unparsed',
  read(response, question) {
    for (const { method, span, final } of spans(response)) {
      const found = readSpan(span, question.options);
      if (found) return chose(found.letter, `${method}/${found.rule}`, span.trim(), question);
      if (final) return unparsed(`${method}/unclear`, span.trim());
    }
    return unparsed(response.trim() === '' ? 'empty' : 'no-answer');
  },
};
