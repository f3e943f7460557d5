/** Ollama's limit on the window of a frame, bytes (middleware/openai.go); zstd's levels up to 19 stay within. */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;

/** RFC 8878, 3.1.1.2.3: no block is larger, decoded or not. */
const MAX_BLOCK_BYTES = 128 * 1024;

/** Frames in a body; one is usual, and each costs the decoder a window. */
const MAX_FRAMES = 16;

/** Blocks in a body: 20 MiB flushed every 1.25 KiB. Each costs the decoder a move of the window. */
const MAX_BLOCKS = 16_384;

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a5;

/**
 * Whether zstd data (RFC 8878, 3.1), or the beginning of some, is worth giving to a decoder: it is framed as it
 * should be and needs neither a dictionary nor more than `maxBytes` for what it says it holds. Reads only the
 * headers of frames and blocks. Pure; never throws.
 */
export function isDecodable(data: Buffer, maxBytes: number): boolean {
  let at = 0;
  let blocks = 0;
  for (let frames = 0; data.length - at >= 4; frames += 1) {
    if (frames === MAX_FRAMES) return false;
    const magic = data.readUInt32LE(at);
    if (magic >>> 4 === SKIPPABLE_MAGIC) {
      if (data.length - at < 8) return frames > 0;
      at += 8 + data.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== MAGIC) return false;
    const header = frameHeader(data, at + 4);
    if (header === 'cut') return frames > 0;
    if (header.windowBytes > MAX_WINDOW_BYTES || header.contentBytes > maxBytes || header.unusable)
      return false;
    at = header.end;
    for (let last = false; !last; blocks += 1) {
      if (data.length - at < 3) return true;
      if (blocks === MAX_BLOCKS) return false;
      const block = data.readUIntLE(at, 3);
      const size = block >>> 3;
      const type = (block >>> 1) & 3;
      if (type === 3 || size > MAX_BLOCK_BYTES) return false;
      last = (block & 1) === 1;
      at += 3 + (type === 1 ? 1 : size); // Type 1 repeats one byte.
    }
    at += header.checksum ? 4 : 0;
  }
  return at > 0;
}

interface FrameHeader {
  readonly windowBytes: number;
  /** 0 when not said. */
  readonly contentBytes: number;
  readonly checksum: boolean;
  /** Uses the reserved bit or a dictionary that is not here. */
  readonly unusable: boolean;
  /** Where the blocks begin. */
  readonly end: number;
}

/** RFC 8878, 3.1.1.1: descriptor, window (none in a single segment), dictionary id, content size. */
function frameHeader(data: Buffer, start: number): FrameHeader | 'cut' {
  const flags = data[start] ?? 0;
  const single = (flags & 0x20) !== 0;
  const dictionaryLength = [0, 1, 2, 4][flags & 3] ?? 0;
  const contentLength = [single ? 1 : 0, 2, 4, 8][flags >>> 6] ?? 0;
  const dictionaryAt = start + (single ? 1 : 2);
  const contentAt = dictionaryAt + dictionaryLength;
  const end = contentAt + contentLength;
  if (end > data.length) return 'cut';
  const dictionary = dictionaryLength === 0 ? 0 : data.readUIntLE(dictionaryAt, dictionaryLength);
  const contentBytes = contentSize(data, contentAt, contentLength);
  const windowByte = data[start + 1] ?? 0;
  const base = 2 ** (10 + (windowByte >>> 3));
  return {
    windowBytes: single ? contentBytes : base + (base / 8) * (windowByte & 7),
    contentBytes,
    checksum: (flags & 4) !== 0,
    unusable: (flags & 8) !== 0 || dictionary !== 0,
    end,
  };
}

function contentSize(data: Buffer, at: number, length: number): number {
  if (length === 0) return 0;
  if (length === 8) return Number(data.readBigUInt64LE(at));
  return data.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
