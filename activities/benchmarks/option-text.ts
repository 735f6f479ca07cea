/** An option's text without the letter of its own that some files write before it: `A: Green`, `B. Observe`. */
export const withoutLetter = (letter: string, text: string): string =>
  text.trim().replace(new RegExp(`^${letter}\\s*[.:)]\\s*`), '');

/** A text as answers are compared: neither letter case, nor runs of white space, nor a final full stop tells them apart. */
export const sameText = (text: string): string =>
  text.trim().toLowerCase().replaceAll(/\s+/g, ' ').replace(/\.+$/, '');
