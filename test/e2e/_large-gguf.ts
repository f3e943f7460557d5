import { createCipheriv } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

/** What Ollama reads of a model when it is created, and nothing by which it could run. */
const KEYS: readonly (readonly [string, string | number])[] = [
  ['general.architecture', 'llama'],
  ['general.name', 'Large'],
  // All weights are F16.
  ['general.file_type', 1],
  ['llama.block_count', 1],
  ['llama.context_length', 256],
  ['llama.embedding_length', 1024],
  ['llama.feed_forward_length', 4096],
  ['llama.attention.head_count', 16],
];

/** By the specification of GGUF, version 3. */
const TYPE_UINT32 = 4;
const TYPE_STRING = 8;
const TENSOR_F16 = 1;
const ALIGNMENT = 32;
/** Written at once. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * Writes a model that can be kept and copied, of one tensor of so many bytes: a stream cipher's, always the same, and no
 * part of it like another, so that a byte in the wrong place is a wrong byte.
 */
export function writeLargeGguf(path: string, tensorBytes: number): void {
  const head = headOf(tensorBytes);
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'ollana'), Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  const file = openSync(path, 'wx');
  try {
    writeSync(file, head);
    for (let left = tensorBytes; left > 0; left -= CHUNK_BYTES)
      writeSync(file, cipher.update(zeros.subarray(0, Math.min(left, CHUNK_BYTES))));
  } finally {
    closeSync(file);
  }
}

function headOf(tensorBytes: number): Buffer {
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(3),
    uint64(1),
    uint64(KEYS.length),
    ...KEYS.flatMap(([key, value]) => [
      string(key),
      typeof value === 'string' ? uint32(TYPE_STRING) : uint32(TYPE_UINT32),
      typeof value === 'string' ? string(value) : uint32(value),
    ]),
    string('token_embd.weight'),
    uint32(2),
    uint64(1024),
    uint64(tensorBytes / 2 / 1024),
    uint32(TENSOR_F16),
    uint64(0),
  ]);
  return Buffer.concat([head], Math.ceil(head.length / ALIGNMENT) * ALIGNMENT);
}

const string = (text: string) => Buffer.concat([uint64(Buffer.byteLength(text)), Buffer.from(text)]);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
