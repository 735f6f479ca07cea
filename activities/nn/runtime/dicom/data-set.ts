import type { Element, Elements } from 'dcmjs';

/** The attributes that are read, as PS3.6 numbers them. */
const TAGS = {
  TransferSyntaxUID: '00020010',
  SamplesPerPixel: '00280002',
  PhotometricInterpretation: '00280004',
  PlanarConfiguration: '00280006',
  NumberOfFrames: '00280008',
  Rows: '00280010',
  Columns: '00280011',
  BitsAllocated: '00280100',
  BitsStored: '00280101',
  HighBit: '00280102',
  PixelRepresentation: '00280103',
  PixelPaddingValue: '00280120',
  PixelPaddingRangeLimit: '00280121',
  WindowCenter: '00281050',
  WindowWidth: '00281051',
  RescaleIntercept: '00281052',
  RescaleSlope: '00281053',
  VOILUTFunction: '00281056',
  RedPaletteColorLookupTableDescriptor: '00281101',
  GreenPaletteColorLookupTableDescriptor: '00281102',
  BluePaletteColorLookupTableDescriptor: '00281103',
  RedPaletteColorLookupTableData: '00281201',
  GreenPaletteColorLookupTableData: '00281202',
  BluePaletteColorLookupTableData: '00281203',
  ModalityLUTSequence: '00283000',
  LUTDescriptor: '00283002',
  LUTData: '00283006',
  VOILUTSequence: '00283010',
  FrameVOILUTSequence: '00289132',
  PixelValueTransformationSequence: '00289145',
  SharedFunctionalGroupsSequence: '52009229',
  PerFrameFunctionalGroupsSequence: '52009230',
  PixelData: '7FE00010',
} as const;

export type Attribute = keyof typeof TAGS;

/** An attribute as an error names it: `Rows (0028,0010)`. */
export const label = (name: Attribute): string =>
  `${name} (${TAGS[name].slice(0, 4)},${TAGS[name].slice(4)})`;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The value representations whose bytes are 16-bit words, in the byte order of the data set. */
const WORDS = ['OW', 'US', 'SS'];

/** A DICOM data set, or an item of a sequence in it. Every error names the attribute. */
export class DataSet {
  readonly #elements: Elements;
  readonly #bigEndian: boolean;

  constructor(elements: Elements, bigEndian: boolean) {
    this.#elements = elements;
    this.#bigEndian = bigEndian;
  }

  #element(name: Attribute): Element | undefined {
    const element = this.#elements[TAGS[name]];
    return element && element.Value.length > 0 ? element : undefined;
  }

  /** Whether the attribute is there and has a value. */
  has(name: Attribute): boolean {
    return this.#element(name) !== undefined;
  }

  /** The bytes of a value, 16-bit words with the low byte first whatever the file's order. */
  bytes(name: Attribute): Buffer | undefined {
    const element = this.#element(name);
    const value = element?.Value[0];
    if (!element || value === undefined) return undefined;
    if (!(value instanceof ArrayBuffer)) throw new Error(`${label(name)} has no plain value`);
    return this.#lowByteFirst(name, element, Buffer.from(value));
  }

  /** The fragments of the pixel data, one list for each frame that the file tells apart; uncompressed, a single one. */
  frames(): readonly (readonly Buffer[])[] {
    const element = this.#element('PixelData');
    if (!element) throw new Error(`${label('PixelData')} is missing: the file holds no picture`);
    return element.Value.map((frame) => {
      if (!Array.isArray(frame)) throw new Error(`${label('PixelData')} is a sequence`);
      return (frame as readonly ArrayBuffer[]).map((fragment) =>
        this.#lowByteFirst('PixelData', element, Buffer.from(fragment)),
      );
    });
  }

  #lowByteFirst(name: Attribute, element: Element, bytes: Buffer): Buffer {
    if (!this.#bigEndian || !WORDS.includes(element.vr)) return bytes;
    if (bytes.length % 2 !== 0) throw new Error(`${label(name)} has an odd number of bytes`);
    return Buffer.from(bytes).swap16();
  }

  /** The first of the values of a text attribute, without padding. */
  text(name: Attribute): string | undefined {
    return this.#texts(name)?.[0];
  }

  #texts(name: Attribute): readonly string[] | undefined {
    // Null and space pad to an even length.
    const text = this.bytes(name)?.toString('latin1').replace(/\0+$/, '').trim();
    return text ? text.split('\\').map((value) => value.trim()) : undefined;
  }

  /** The first of the values of a decimal or integer string. */
  decimal(name: Attribute): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = NUMBER.test(text) ? Number(text) : NaN;
    if (!Number.isFinite(value)) throw new Error(`${label(name)} is not a number: ${JSON.stringify(text)}`);
    return value;
  }

  /** The unsigned 16-bit values of an attribute. */
  shorts(name: Attribute): Uint16Array | undefined {
    const bytes = this.bytes(name);
    if (!bytes) return undefined;
    if (bytes.length % 2 !== 0) throw new Error(`${label(name)} has an odd number of bytes`);
    return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
  }

  /** The first unsigned 16-bit value of an attribute that must be there. */
  short(name: Attribute): number {
    const value = this.shorts(name)?.[0];
    if (value === undefined) throw new Error(`${label(name)} is missing`);
    return value;
  }

  /** The first item of a sequence. */
  item(name: Attribute): DataSet | undefined {
    const value = this.#element(name)?.Value[0];
    if (value === undefined) return undefined;
    if (value instanceof ArrayBuffer || Array.isArray(value))
      throw new Error(`${label(name)} is not a sequence`);
    return new DataSet(value as Elements, this.#bigEndian);
  }
}
