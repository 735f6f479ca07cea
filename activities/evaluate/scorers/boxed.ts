/** Content of the last `\boxed{…}`, braces balanced; undefined where there is none or it is never closed. */
export function lastBoxed(text: string): string | undefined {
  const mark = '\\boxed{';
  const start = text.lastIndexOf(mark);
  if (start < 0) return undefined;
  const from = start + mark.length;
  let depth = 0;
  for (let i = from; i < text.length; i += 1) {
    if (text[i] === '{') depth += 1;
    else if (text[i] === '}') depth -= 1;
    if (depth < 0) return text.slice(from, i);
  }
  return undefined;
}
