import type { SettingView } from '../../view.ts';
import { duration, NONE } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { Badge, type Column, Command, Failure, Table, Waiting } from '../parts.tsx';

function valueText({ value, unit }: SettingView): string {
  if (value === null || (typeof value === 'object' && value.length === 0)) return NONE;
  if (typeof value === 'number') return unit === 'ms' ? duration(value) : String(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? value.join(', ') : value;
}

const COLUMNS: readonly Column<SettingView>[] = [
  { title: 'Option', cell: ({ option }) => <code>{option}</code> },
  { title: 'Value', cell: (row) => <span class="value">{valueText(row)}</span> },
  {
    title: 'Source',
    cell: ({ source }) => <Badge tone={source === 'set' ? 'good' : 'plain'}>{source}</Badge>,
  },
  {
    title: 'What it does',
    cell: ({ flag, help }) => (
      <span class="help">
        {flag.startsWith('--no-') && <code>{flag}: </code>}
        {help}
      </span>
    ),
  },
  {
    title: 'To change it',
    cell: ({ option, flag, variable, live }) => (
      <span class="help">
        <code>{flag}</code>, <code>{variable}</code> or <code>{option}</code> in the file; then{' '}
        {live ? <code>ollana reload</code> : 'start ollana again'}
      </span>
    ),
  },
];

/** What is configured, to be read. */
export function Settings() {
  const { data, error } = useJson<{ settings: readonly SettingView[] }>('/dashboard/api/settings', 10_000);
  return (
    <>
      <p>Settings are changed in the configuration file. This names the file, and who says each value:</p>
      <Command text="ollana config" />
      <p>This has what the file says taken over where that needs no new start:</p>
      <Command text="ollana reload" />
      <Failure error={error} />
      {data ? (
        <Table caption="Settings" columns={COLUMNS} rows={data.settings} keyOf={({ option }) => option} />
      ) : (
        !error && <Waiting />
      )}
    </>
  );
}
