/** The scorer profiles by name. */
import { medevalkit, medevalkitPmc } from './medevalkit.ts';
import { medvlthinker } from './medvlthinker.ts';
import { medxpertqa } from './medxpertqa.ts';
import { unparsed, type Profile, type Question, type Reading } from './profile.ts';
import { robust } from './robust.ts';
import { strictTags } from './strict-tags.ts';
import { vlmevalkit } from './vlmevalkit.ts';

export const PROFILES: readonly Profile[] = [
  strictTags,
  robust,
  medevalkit,
  medevalkitPmc,
  vlmevalkit,
  medxpertqa,
  medvlthinker,
];

/** No profile has this name. */
export class UnknownProfile extends Error {
  override readonly name = 'UnknownProfile';
  constructor(wanted: string) {
    super(
      `no scorer profile is named "${wanted}"; there are ${PROFILES.map((profile) => profile.name).join(', ')}`,
    );
  }
}

/** The profile of this name. */
export function profileNamed(name: string): Profile {
  const found = PROFILES.find((profile) => profile.name === name);
  if (found === undefined) throw new UnknownProfile(name);
  return found;
}

/** Reads a response; one that was cut at its token limit is unparsed where the profile says so. */
export const readResponse = (
  profile: Profile,
  response: string,
  question: Question,
  truncated: boolean,
): Reading =>
  truncated && profile.truncated === 'unparsed' ? unparsed('truncated') : profile.read(response, question);
