import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isWhole, makeFolder, readSeal, seal, sha256OfFile } from './cache.mjs';
import { run, SetupError, step } from './processes.mjs';

const EXTRACT = fileURLToPath(new URL('./extract.py', import.meta.url));

/** Folder of a pinned library in the cache: another pin is another folder. */
export function libraryFolder(cache, kind, pin) {
  const digest = createHash('sha256')
    .update(JSON.stringify(pin.wheels.map(({ sha256 }) => sha256)))
    .digest('hex')
    .slice(0, 12);
  return path.join(cache, 'tensorflow', `${pin.wheels[0].version}-${kind}-${digest}`);
}

/** Downloads a wheel of the platform, whatever Python is installed here, and checks it against the pinned sha256. */
async function downloadWheel({ name, version, sha256 }, platforms, folder) {
  const temporary = path.join(folder, 'pip');
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-cache-dir'];
  args.push('--no-deps', '--only-binary=:all:', '--python-version', '3.12', '--implementation', 'cp');
  args.push(
    ...platforms.flatMap((platform) => ['--platform', platform]),
    '--dest',
    folder,
    `${name}==${version}`,
  );
  await mkdir(temporary, { recursive: true });
  await run('python3', args, { env: { ...process.env, TMPDIR: temporary } });
  const stem = `${name.replaceAll('-', '_')}-${version}-`;
  const file = (await readdir(folder)).find((entry) => entry.startsWith(stem) && entry.endsWith('.whl'));
  if (file === undefined) throw new SetupError(`pip downloaded no wheel of ${name} ${version}`);
  const wheel = path.join(folder, file);
  const found = await sha256OfFile(wheel);
  if (found === sha256) return wheel;
  throw new SetupError(
    `${file} has sha256 ${found}, not the pinned ${sha256}: what the package index gives is not what was released`,
  );
}

/** How much of a download lies in a folder, in words; nothing where it cannot be seen yet. */
async function megabytesIn(folder) {
  const names = folder === '' ? [] : await readdir(folder, { recursive: true });
  const sizes = names.map((name) =>
    stat(path.join(folder, name)).then(
      (entry) => (entry.isFile() ? entry.size : 0),
      () => 0,
    ),
  );
  const megabytes = Math.round((await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) / 1e6);
  return megabytes > 0 ? `${megabytes} MB there` : '';
}

/** Shared libraries under a folder: what programs load, and what has to be as it was made. */
const librariesIn = async (folder) =>
  (await readdir(folder, { recursive: true })).filter((name) =>
    /\.(so|dylib)(\.|$)/.test(path.basename(name)),
  );

async function make(cache, folder, kind, pin) {
  const megabytes = Math.round(pin.wheels.reduce((sum, { bytes = 0 }) => sum + bytes, 0) / 1e6);
  const size = megabytes > 0 ? ` … ${megabytes} MB` : '';
  let at = '';
  await step(
    `TensorFlow ${pin.wheels[0].version} library for ${kind}${size}`,
    () =>
      makeFolder(cache, folder, async (temporary) => {
        for (const wheel of pin.wheels) {
          const downloads = path.join(temporary, 'wheels');
          at = downloads;
          const file = await downloadWheel(wheel, pin.platforms, downloads);
          at = '';
          await run('python3', [EXTRACT, file, temporary]);
          await rm(downloads, { recursive: true });
        }
        const library = pin.wheels[0].version;
        await seal(temporary, await librariesIn(temporary), { kind, library, wheels: pin.wheels });
      }),
    () => megabytesIn(at),
  );
}

/** Whether the library is in the cache, undamaged. */
export const libraryIsThere = (cache, kind, pin, options) =>
  isWhole(libraryFolder(cache, kind, pin), options);

/** Brings the library into the cache; a damaged one is made anew. */
export async function ensureLibrary(cache, kind, pin, options) {
  if (!(await libraryIsThere(cache, kind, pin, options)))
    await make(cache, libraryFolder(cache, kind, pin), kind, pin);
}

/** What the library is, without where it lies: it enters the action keys of what is computed with it. */
export async function describeLibrary(cache, kind, pin) {
  const { files = {}, library } = (await readSeal(libraryFolder(cache, kind, pin))) ?? {};
  const digests = Object.entries(files).map(([name, { sha256 }]) => [name, sha256]);
  return { version: 1, kind, tensorflow: library, files: Object.fromEntries(digests) };
}
