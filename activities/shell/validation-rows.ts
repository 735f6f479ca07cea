/** Validation is asked for and there is no row for it. */
export class NoValidationRows extends Error {
  override readonly name = 'NoValidationRows';
}

/** What a training validates on, read from a file of its data's form; undefined where nothing is validated. */
export const validationRows = async <R>(
  file: string | undefined,
  validateEvery: number | null,
  read: (file: string) => Promise<readonly R[]>,
): Promise<readonly R[] | undefined> => {
  if (validateEvery === null) return undefined;
  if (file === undefined)
    throw new NoValidationRows(`validateEvery is ${validateEvery}, but no file to validate on is given`);
  const rows = await read(file);
  if (rows.length === 0)
    throw new NoValidationRows(
      `${file} has no row to validate on: raise stratify.validationShare, or set validateEvery to null`,
    );
  return rows;
};
