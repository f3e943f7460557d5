/** How bad it is: `critical` = requests fail or soon will, `warning` = they are slower or may fail, `info` = worth knowing. */
export type Severity = 'info' | 'warning' | 'critical';

/** A command that mends a problem. */
export interface Remedy {
  readonly command: string;
  /** The machine to type it on; null: this one. */
  readonly on: string | null;
}

/** What a check has found wrong, once for each thing that it is wrong with. */
export interface Finding {
  /** What it is wrong with: a device id, a model, both; empty: the whole. Unique within its check. */
  readonly subject: string;
  readonly severity: Severity;
  /** One line. */
  readonly title: string;
  /** What was seen, with numbers. */
  readonly seen: string;
  readonly remedy: Remedy;
  /** When it counts as mended. */
  readonly resolvedWhen: string;
  /** Device id of the server that it is about; absent: none, or several. */
  readonly deviceId?: string;
  readonly server?: string;
  readonly model?: string;
}

/** Longer names are cut, so that a line stays one. */
const MAX_NAME = 60;

/** A name that others gave, for a sentence. Pure. */
export function shown(name: string): string {
  const plain = name.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, '');
  return plain.length > MAX_NAME ? `${plain.slice(0, MAX_NAME)}…` : plain;
}

/** A name that others gave, as one word of a shell: whoever copies the command runs nothing that is in it. Pure. */
export function word(name: string): string {
  const plain = name.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, '');
  return /^[\w.:@/+][\w.:@/+-]*$/.test(plain) ? plain : `'${plain.replaceAll("'", `'\\''`)}'`;
}

/** A part as a percentage. Pure. */
export function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

/** Bytes as people read them. Pure. */
export function gigabytes(bytes: number): string {
  return bytes >= 1e12 ? `${(bytes / 1e12).toFixed(1)} TB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
