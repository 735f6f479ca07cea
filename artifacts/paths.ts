import { InvalidManifest } from './errors.ts';

/** Longest path and longest path component, bytes of UTF-8. */
const MAX_PATH = 1024;
const MAX_COMPONENT = 255;

/**
 * Refuses a set of paths that could leave a folder or collide in it: absolute paths, `..`, empty and `.` components,
 * backslashes, control characters, names that are not in Unicode normal form C, names that differ only by case,
 * and a file where another path needs a folder. `where` names the manifest in the error.
 */
export function checkPaths(where: string, paths: readonly string[]): void {
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  for (const path of paths) {
    checkPath(where, path);
    const components = path.split('/');
    for (let depth = 1; depth < components.length; depth++) {
      const folder = components.slice(0, depth).join('/');
      const folded = fold(folder);
      const other = folders.get(folded) ?? folder;
      if (other !== folder) throw new InvalidManifest(where, path, `differs from "${other}/…" only by case`);
      folders.set(folded, folder);
    }
    const twin = files.get(fold(path));
    if (twin === path) throw new InvalidManifest(where, path, 'is listed twice');
    if (twin !== undefined) throw new InvalidManifest(where, path, `differs from "${twin}" only by case`);
    files.set(fold(path), path);
  }
  for (const [folded, path] of files)
    if (folders.has(folded)) throw new InvalidManifest(where, path, 'is both a file and a folder');
}

const fold = (path: string): string => path.toLowerCase();

function checkPath(where: string, path: string): void {
  const refuse = (problem: string): never => {
    throw new InvalidManifest(where, path.slice(0, 300), problem);
  };
  if (path === '') refuse('is an empty path');
  if (Buffer.byteLength(path) > MAX_PATH) refuse(`is longer than ${MAX_PATH} bytes`);
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) refuse('is an absolute path');
  if (/[\p{Cc}\p{Cs}]/u.test(path)) refuse('has a control character or half a surrogate pair');
  if (path.includes('\\')) refuse('has a backslash');
  if (path.normalize('NFC') !== path) refuse('is not in Unicode normal form C');
  for (const component of path.split('/')) {
    if (component === '' || component === '.' || component === '..')
      refuse('has an empty, "." or ".." component');
    if (Buffer.byteLength(component) > MAX_COMPONENT)
      refuse(`has a component longer than ${MAX_COMPONENT} bytes`);
  }
}
