import { Case } from '../../schemas/case.ts';
import { parseRecord, type BenchmarkFormat } from './format.ts';

/** Cases in this project's own form: `cases.jsonl`, images beside it. */
export const casesFile: BenchmarkFormat = {
  name: 'cases',
  fits: (record) => record['version'] === 1 && 'gold' in record && Array.isArray(record['options']),
  choose: (files) => files.filter((file) => file.split('/').at(-1) === 'cases.jsonl'),
  read: (record, place) => parseRecord(Case, record, place),
};
