import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Home } from '../home.ts';
import { freePort } from '../servers/ports.ts';
import { writeJson } from '../servers/servers-file.ts';

/** Name of the variable that holds the demo teacher's key; never a real one. */
export const TEACHER_KEY = 'MMEDEXPERT_TEACHER_KEY';

const TeacherAccess = z.strictObject({ port: z.int().positive(), key: z.string().min(1) });
export type TeacherAccess = z.infer<typeof TeacherAccess>;

const fileOf = (home: Home): string => path.join(home.root, 'teacher.json');

/** Port and key of this home's scripted teacher, if a demo ever ran here. */
export async function knownTeacher(home: Home): Promise<TeacherAccess | undefined> {
  try {
    return TeacherAccess.parse(JSON.parse(await readFile(fileOf(home), 'utf8')));
  } catch {
    return undefined;
  }
}

/** The same port and key at every start, so that a run that was interrupted finds its teacher where it was. */
export async function teacherAccess(home: Home): Promise<TeacherAccess> {
  const known = await knownTeacher(home);
  if (known) return known;
  const made = { port: await freePort(7333), key: randomBytes(16).toString('hex') };
  await writeJson(fileOf(home), made, 0o600);
  return made;
}
