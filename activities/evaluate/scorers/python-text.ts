/** Text operations as Python's `str` and `re` define them, where JavaScript's differ: upstream scorers are read in these. */

/** What `str.isspace` holds for: JavaScript's `\s` lacks U+001C-001F and U+0085 and has U+FEFF too many. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** Character class of Python's white space, to be used inside a regular expression. */
export const PYTHON_SPACE = `[${SPACE}]`;

const ENDS = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'g');
const RUNS = new RegExp(`[${SPACE}]+`);

/** `str.strip()`. */
export const strip = (text: string): string => text.replace(ENDS, '');

/** `str.split()` without arguments: the words between runs of white space. */
export const words = (text: string): string[] =>
  strip(text)
    .split(RUNS)
    .filter((word) => word !== '');

/** First part of `text.split(separator)`. */
export const before = (text: string, separator: string): string => text.split(separator, 1)[0] ?? '';

/** Last part of `text.split(separator)`. */
export const afterLast = (text: string, separator: string): string => text.split(separator).at(-1) ?? '';
