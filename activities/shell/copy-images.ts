import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';

/** Copies the images that rows name, by their paths inside an artifact, from one artifact's folder to another's. */
export async function copyImages(from: string, to: string, images: Iterable<string>): Promise<void> {
  for (const image of new Set(images)) {
    const target = path.join(to, image);
    await mkdir(path.dirname(target), { recursive: true });
    await copyFile(path.join(from, image), target);
  }
}
