/** What is used of dcmjs 0.50, which brings no types of its own. */
declare module 'dcmjs' {
  /** A data set's elements by tag, eight upper-case hexadecimal digits. */
  interface Elements {
    readonly [tag: string]: Element | undefined;
  }

  /** Raw bytes; of pixel data, one list of fragments for each frame; of a sequence, its items. */
  interface Element {
    readonly vr: string;
    readonly Value: readonly (ArrayBuffer | readonly ArrayBuffer[] | Elements)[];
  }

  interface Filter {
    addTag(next: (tag: string, info: object) => void, tag: string, info: object): { expectsRaw: boolean };
  }

  class DicomMetadataListener {
    constructor(options: { informationTags: ReadonlySet<string> }, ...filters: readonly Filter[]);
    startObject(elements: object): void;
  }

  class AsyncDicomReader {
    constructor(options: { maxFragmentSize: number });
    syntax: string;
    readonly stream: { offset: number; addBuffer(buffer: ArrayBuffer): void; setComplete(): void };
    read(listener: DicomMetadataListener, options: { untilOffset: number }): Promise<Elements>;
  }

  interface Logger {
    setLevel(level: 'silent'): void;
    getLogger(name: string): Logger;
  }

  const dcmjs: {
    readonly async: { readonly AsyncDicomReader: typeof AsyncDicomReader };
    readonly utilities: { readonly DicomMetadataListener: typeof DicomMetadataListener };
    readonly log: Logger;
  };
  export default dcmjs;
  export type { Element, Elements, Filter };
}
