import { modelKey } from './names.ts';

/** A row of `/api/tags`: what Ollama sent, plus the fields ollana reads, checked. */
export interface TagRow {
  readonly name: string;
  readonly key: string;
  readonly digest: string;
  readonly modifiedAt: string;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** A row of `/api/ps`, likewise. */
export interface PsRow {
  readonly name: string;
  readonly key: string;
  readonly expiresAt: string;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** A server with more rows than this is broken or hostile; the rest is ignored. */
const MAX_ROWS = 5000;

/** The usable rows of a `/api/tags` answer; rows without a name are left out. Never throws. */
export function readTags(answer: Readonly<Record<string, unknown>>): readonly TagRow[] {
  return rows(answer).map((raw) => ({
    name: nameOf(raw),
    key: modelKey(nameOf(raw)),
    digest: text(raw.digest),
    modifiedAt: text(raw.modified_at),
    raw,
  }));
}

/** The usable rows of a `/api/ps` answer; rows without a name are left out. Never throws. */
export function readPs(answer: Readonly<Record<string, unknown>>): readonly PsRow[] {
  return rows(answer).map((raw) => ({
    name: nameOf(raw),
    key: modelKey(nameOf(raw)),
    expiresAt: text(raw.expires_at),
    raw,
  }));
}

function rows(answer: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  const list = answer.models;
  if (!Array.isArray(list)) return [];
  return list
    .slice(0, MAX_ROWS)
    .filter(
      (row): row is Record<string, unknown> => typeof row === 'object' && row !== null && nameOf(row) !== '',
    );
}

function nameOf(row: Record<string, unknown>): string {
  return text(row.name) || text(row.model);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
