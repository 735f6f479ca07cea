/** Reads the chosen option out of a short span of text: the step that all of the robust profile's rules end in. */
import type { Option } from '../../../schemas/case.ts';
import { plain } from './profile.ts';

/** Drops markdown, TeX wrappers and quotes around an answer. */
const bare = (span: string): string =>
  span
    .replaceAll(/\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{([^{}]*)\}/g, '$1')
    .replaceAll(/[*_`$"“”]/g, '')
    .replaceAll(/<\/?[a-z]+>/gi, ' ')
    .trim();

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** Whether `part` stands in `whole` as words of its own. */
const containsWords = (whole: string, part: string): boolean =>
  part !== '' && new RegExp(`(?<![\\p{L}\\p{N}])${escaped(part)}(?![\\p{L}\\p{N}])`, 'u').test(whole);

/**
 * Letters of options that stand in `text` as capitals of their own. Not counted: "A" and "I" before a lower-case word
 * (article and pronoun) and a letter that is denied ("not C", "rather than C").
 */
export function standingLetters(text: string, options: readonly Option[]): string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(/(?<![\p{L}\p{N}'’-])([A-Z])(?![\p{L}\p{N}'’]|-\p{L})/gu)) {
    const letter = match[1]!;
    const after = text.slice(match.index + 1);
    if (!options.some((option) => option.letter === letter)) continue;
    if ((letter === 'A' || letter === 'I') && /^\s+\p{Ll}/u.test(after)) continue;
    if (
      /\b(?:not|nor|than|except|exclude[sd]?|excluding)\s+(?:option\s+|choice\s+)?\(?$/i.test(
        text.slice(0, match.index),
      )
    )
      continue;
    found.add(letter);
  }
  return [...found];
}

/** Options whose text stands in `text`, without those that are only part of a longer option found there. */
export function standingTexts(text: string, options: readonly Option[]): string[] {
  const whole = plain(text);
  const found = options.filter((option) => containsWords(whole, plain(option.text)));
  return found
    .filter(
      (one) =>
        !found.some(
          (other) =>
            other !== one &&
            containsWords(plain(other.text), plain(one.text)) &&
            plain(other.text) !== plain(one.text),
        ),
    )
    .map((option) => option.letter);
}

/** The one option that `span` names, with the rule that found it; undefined where it names none or several. */
export function readSpan(
  span: string,
  options: readonly Option[],
): { letter: string; rule: string } | undefined {
  const text = bare(span);
  const known = (letter: string | undefined): letter is string =>
    options.some((option) => option.letter === letter);

  // The letter alone, in any case and bracket: "C", "(c)", "C.", "Option C".
  const alone = /^(?:the\s+)?(?:option|choice|answer)?\s*[([{]?\s*([a-z])\s*[)\]}]?\s*[.:,;]?$/i
    .exec(text)?.[1]
    ?.toUpperCase();
  if (known(alone)) return { letter: alone, rule: 'letter' };

  // The letter leading: "C. text", "(C) text", "C) text", "C: text", "C - text", "C, because …".
  const leading = /^(?:(?:option|choice)\s+)?(?:[([]([A-Z])[)\]]|([A-Z])(?:[.):,;\]]|\s+[-–—]|\s*\n))/i.exec(
    text,
  );
  const first = leading?.[1] ?? leading?.[2];
  if (known(first)) return { letter: first, rule: 'leading-letter' };

  // The option's text, whole.
  const same = options.filter((option) => plain(option.text) === plain(text));
  if (same.length === 1) return { letter: same[0]!.letter, rule: 'option-text' };

  // One letter, or one option's text, somewhere in it.
  const letters = standingLetters(text, options);
  if (letters.length === 1) return { letter: letters[0]!, rule: 'one-letter' };
  const texts = standingTexts(text, options);
  if (texts.length === 1 && letters.length === 0) return { letter: texts[0]!, rule: 'text-within' };
  return undefined;
}
