import type { Cell } from '../../schemas/report.ts';

/** A share to three decimals without its leading zero, as tables of accuracies have it: .583, 1.000. */
export const shareText = (value: number): string => value.toFixed(3).replace(/^(-?)0\./, '$1.');

/** An accuracy in words: `140 of 240 right, .583 (.520-.644), 3 unparsed`. */
export const cellText = (cell: Cell): string =>
  `${cell.right} of ${cell.answers} right, ${shareText(cell.accuracy)} (${shareText(cell.low)}-${shareText(cell.high)})` +
  (cell.unparsed > 0 ? `, ${cell.unparsed} unparsed` : '') +
  (cell.truncated > 0 ? `, ${cell.truncated} truncated` : '');
