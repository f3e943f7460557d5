import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** How a thing is, by colour and by word. */
export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** Nothing is there: what to do about it. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Something went wrong. */
export function Failure({ error }: { readonly error: string | undefined }) {
  return error === undefined ? null : (
    <p class="failure" role="alert">
      {error}
    </p>
  );
}

export function Waiting() {
  return <p class="muted">Loading…</p>;
}

/** Text to be typed, with a button that copies it. */
export function Command({ text, label }: { readonly text: string; readonly label?: string }) {
  const [done, setDone] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone('Copied');
    } catch {
      setDone('Select the text and copy it');
    }
    setTimeout(() => setDone(''), 2000);
  };
  return (
    <div class="command">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard must be able to */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <button type="button" onClick={copy} aria-label={`Copy ${label ?? text}`}>
        Copy
      </button>
      <span class="copied" role="status">
        {done}
      </span>
    </div>
  );
}

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly right?: boolean;
}

interface TableProps<T> {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** Opened below a row. */
  readonly below?: (row: T) => ComponentChildren;
}

/** Rows and columns; scrolls sideways by itself where there is no room. */
export function Table<T>({ caption, columns, rows, keyOf, below }: TableProps<T>) {
  const cells = (row: T) =>
    columns.map((column, at) =>
      at === 0 ? (
        <th key={column.title} scope="row">
          {column.cell(row)}
        </th>
      ) : (
        <td key={column.title} class={column.right ? 'right' : undefined}>
          {column.cell(row)}
        </td>
      ),
    );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard must be able to
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, right }) => (
              <th key={title} scope="col" class={right ? 'right' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const more = below?.(row);
            return [
              <tr key={keyOf(row)}>{cells(row)}</tr>,
              more ? (
                <tr key={`${keyOf(row)} more`} class="more">
                  <td colSpan={columns.length}>{more}</td>
                </tr>
              ) : null,
            ];
          })}
        </tbody>
      </table>
    </section>
  );
}

/** One number with its name. */
export function Tile({
  name,
  value,
  note,
}: {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <span class="number">{value}</span>
        {note && <span class="note">{note}</span>}
      </dd>
    </div>
  );
}
