import type { Modality, Voi } from '../../images/grey-levels.ts';
import type { Attribute, DataSet } from './data-set.ts';
import { label } from './data-set.ts';
import { readLookupTable } from './lookup-table.ts';

/** The macro of an enhanced object's functional groups, the frame's before the one that all frames share. */
const macro = (dataSet: DataSet, name: Attribute): DataSet | undefined =>
  dataSet.item('PerFrameFunctionalGroupsSequence')?.item(name) ??
  dataSet.item('SharedFunctionalGroupsSequence')?.item(name);

/** The modality transformation: a lookup table, else slope and intercept, else none (PS3.3 C.11.1). */
export const readModality = (dataSet: DataSet, signed: boolean): Modality => {
  const from = macro(dataSet, 'PixelValueTransformationSequence') ?? dataSet;
  const table = from.item('ModalityLUTSequence');
  if (table) return readLookupTable(table, 'LUTDescriptor', 'LUTData', signed);
  const [slope, intercept] = [from.decimal('RescaleSlope'), from.decimal('RescaleIntercept')];
  if ((slope === undefined) !== (intercept === undefined))
    throw new Error(`${label('RescaleSlope')} and ${label('RescaleIntercept')} occur together only`);
  return { slope: slope ?? 1, intercept: intercept ?? 0 };
};

/** The first VOI transformation of the file: a lookup table, else a window (PS3.3 C.11.2). */
export const readVoi = (dataSet: DataSet, signed: boolean): Voi | undefined => {
  const from = macro(dataSet, 'FrameVOILUTSequence') ?? dataSet;
  const table = from.item('VOILUTSequence');
  if (table) return readLookupTable(table, 'LUTDescriptor', 'LUTData', signed);
  const [center, width] = [from.decimal('WindowCenter'), from.decimal('WindowWidth')];
  if ((center === undefined) !== (width === undefined))
    throw new Error(`${label('WindowCenter')} and ${label('WindowWidth')} occur together only`);
  if (center === undefined || width === undefined) return undefined;
  const shape = from.text('VOILUTFunction') ?? 'LINEAR';
  if (shape !== 'LINEAR' && shape !== 'LINEAR_EXACT' && shape !== 'SIGMOID')
    throw new Error(`${label('VOILUTFunction')} ${shape} is not LINEAR, LINEAR_EXACT or SIGMOID`);
  if (shape === 'LINEAR' ? width < 1 : width <= 0)
    throw new Error(
      `${label('WindowWidth')} is ${width}; with ${shape} it is ${shape === 'LINEAR' ? 'at least 1' : 'above 0'}`,
    );
  return { shape, center, width };
};

/** The stored values that stand for no measurement, where the file tells them (PS3.3 C.7.5.1.1.2). */
export const readPadding = (dataSet: DataSet, signed: boolean): readonly [number, number] | undefined => {
  const value = (name: Attribute): number | undefined => {
    const short = dataSet.shorts(name)?.[0];
    return short !== undefined && signed && short >= 2 ** 15 ? short - 2 ** 16 : short;
  };
  const padding = value('PixelPaddingValue');
  if (padding === undefined) return undefined;
  const limit = value('PixelPaddingRangeLimit') ?? padding;
  return [Math.min(padding, limit), Math.max(padding, limit)];
};
