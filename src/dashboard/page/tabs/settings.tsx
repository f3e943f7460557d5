import { useState } from 'preact/hooks';
import type { SettingView } from '../../view.ts';
import { useJson } from '../hooks.tsx';
import { Badge, type Column, Command, Failure, Table, Waiting } from '../parts.tsx';
import { valueText } from './setting-value.tsx';
import { SettingsForm } from './settings-form.tsx';

const COLUMNS: readonly Column<SettingView>[] = [
  { title: 'Option', cell: ({ option }) => <code>{option}</code> },
  { title: 'Value', cell: (row) => <span class="value">{valueText(row)}</span> },
  {
    title: 'Source',
    cell: ({ by, source }) => <Badge tone={by === 'default' ? 'plain' : 'good'}>{source}</Badge>,
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

/** What is configured: what can be changed now, and all of it. */
export function Settings() {
  const [saves, setSaves] = useState(0);
  const { data, error } = useJson<{ settings: readonly SettingView[] }>(
    '/dashboard/api/settings',
    10_000,
    saves,
  );
  const live = data?.settings.filter((one) => one.live && one.settable) ?? [];
  return (
    <>
      <Failure error={error} />
      {live.length > 0 && (
        <>
          <h2>Change now</h2>
          <p>What is saved goes into the configuration file, and counts at once.</p>
          <SettingsForm settings={live} onSaved={() => setSaves((count) => count + 1)} />
        </>
      )}
      <h2>All settings</h2>
      <p>The others are changed in the configuration file. This names it, and who says each value:</p>
      <Command text="ollana config" />
      <p>This has what the file says taken over where that needs no new start:</p>
      <Command text="ollana reload" />
      {data ? (
        <Table caption="Settings" columns={COLUMNS} rows={data.settings} keyOf={({ option }) => option} />
      ) : (
        !error && <Waiting />
      )}
    </>
  );
}
