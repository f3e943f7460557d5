import type { CommandChoice, FlagChoice } from './completion-table.ts';

type Table = readonly CommandChoice[];

/**
 * The parts that all scripts are made of, as lines of a `case` over the command: which words and flags it has, and what
 * follows a flag. Nothing in a table has a quote or a blank in what is typed.
 */
function parts(table: Table) {
  const flags = table.flatMap((one) => one.flags);
  const taking = (test: (flag: FlagChoice) => boolean) => [
    ...new Set(flags.filter(test).map(({ flag }) => flag)),
  ];
  const listed = new Map<string, readonly string[]>();
  for (const { flag, takes } of flags) if (typeof takes === 'object') listed.set(flag, takes);
  return {
    commands: table.filter(({ command }) => command !== 'client'),
    client: table.find(({ command }) => command === 'client'),
    files: taking(({ takes }) => takes === 'file'),
    texts: taking(({ takes }) => takes === 'text'),
    listed,
  };
}

const names = (flags: readonly FlagChoice[] = []): string => flags.map(({ flag }) => flag).join(' ');

/** For bash 3.2 and newer, with or without bash-completion. Pure. */
export function bashScript(table: Table): string {
  const { commands, client, files, texts, listed } = parts(table);
  return `# bash completion of ollana, made by \`ollana completion bash\`
_ollana() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at word command= skip= words= flags=
  COMPREPLY=()
  # bash takes --flag=value apart.
  if [[ $cur == "=" ]]; then cur=; elif [[ $prev == "=" ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ -n $skip ]]; then [[ $word == "=" ]] || skip=; continue; fi
    case $word in
      ${[...files, ...texts, ...listed.keys()].join('|')}) skip=1 ;;
      -*|=) ;;
      *)
        if [[ $command == run ]]; then
          # What follows is the program's own.
          if declare -F _command_offset >/dev/null; then _command_offset $at; else COMPREPLY=($(compgen -f -- "$cur")); fi
          return
        fi
        [[ -n $command ]] && words=none || command=$word ;;
    esac
  done
  case $prev in
${[...listed].map(([flag, values]) => `    ${flag}) COMPREPLY=($(compgen -W "${values.join(' ')}" -- "$cur")); return ;;`).join('\n')}
    ${files.join('|')}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${texts.join('|')}) return ;;
  esac
  case $command in
${commands.map(({ command, words, flags }) => `    ${command}) flags="${names(flags)}"; : "\${words:=${words.join(' ')}}" ;;`).join('\n')}
    "") flags="${names(client?.flags)}"; words="${commands.map(({ command }) => command).join(' ')}" ;;
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ $command == run ]]; then COMPREPLY=($(compgen -c -- "$cur"))
  elif [[ $words != none ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -F _ollana ollana
`;
}

/** For zsh 5, as a file in fpath or evaluated after compinit. Pure. */
export function zshScript(table: Table): string {
  const { commands, client } = parts(table);
  const spec = ({ flag, about, takes }: FlagChoice) => {
    const after =
      takes === 'none'
        ? ''
        : takes === 'file'
          ? ':file:_files'
          : takes === 'text'
            ? ':value: '
            : `:value:(${takes.join(' ')})`;
    return `'*${flag}${takes === 'none' ? '' : flag.startsWith('--') ? '=' : ''}[${zshText(about)}]${after}'`;
  };
  const flagsOf = (flags: readonly FlagChoice[] = []) =>
    flags.map((flag) => `        ${spec(flag)}`).join(' \\\n');
  return `#compdef ollana
# zsh completion of ollana, made by \`ollana completion zsh\`
_ollana() {
  local curcontext=$curcontext context state line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.map(({ command, about }) => `    '${command}:${zshText(about)}'`).join('\n')}
  )
  local at command=
  for ((at = 2; at < CURRENT; at++)); do
    if (( \${commands[(I)\${words[at]}:*]} )); then command=\${words[at]}; break; fi
  done
  if [[ -z $command ]]; then
    _arguments -S \\
${flagsOf(client?.flags)} \\
        '1: :{_describe command commands}'
    return
  fi
  shift $((at - 1)) words
  (( CURRENT -= at - 1 ))
  case $command in
${commands
  .map(
    ({ command, words, flags }) => `    ${command})
      _arguments -S \\
${flagsOf(flags)} \\
        ${command === 'run' ? "'1:program:_command_names -e' '*::argument:_normal'" : words.length > 0 ? `'1:action:(${words.join(' ')})'` : "'*: :_default'"} ;;`,
  )
  .join('\n')}
  esac
}
if [[ $funcstack[1] == _ollana ]]; then _ollana "$@"; else compdef _ollana ollana; fi
`;
}

/** For fish 3. Pure. */
export function fishScript(table: Table): string {
  const { commands, client } = parts(table);
  const line = (condition: string, { flag, about, takes }: FlagChoice) => {
    const name = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
    const after =
      takes === 'none'
        ? ''
        : takes === 'file'
          ? ' -r -F'
          : takes === 'text'
            ? ' -x'
            : ` -x -a '${takes.join(' ')}'`;
    return `complete -c ollana -n '${condition}' ${name}${after} -d '${fishText(about)}'`;
  };
  const all = commands.map(({ command }) => command).join(' ');
  const none = `not __fish_seen_subcommand_from ${all}`;
  return `${[
    '# fish completion of ollana, made by `ollana completion fish`',
    'complete -c ollana -f',
    ...commands.map(
      ({ command, about }) => `complete -c ollana -n '${none}' -a ${command} -d '${fishText(about)}'`,
    ),
    ...(client?.flags ?? []).map((flag) => line(none, flag)),
    ...commands.flatMap(({ command, words, flags }) => {
      const seen = `__fish_seen_subcommand_from ${command}`;
      const isFirst = `${seen}; and not __fish_seen_subcommand_from ${words.join(' ')}`;
      return [
        ...(words.length > 0 ? [`complete -c ollana -n '${isFirst}' -a '${words.join(' ')}'`] : []),
        ...(command === 'run'
          ? [`complete -c ollana -n '${seen}' -a '(__fish_complete_subcommand --fcs-skip=2)'`]
          : []),
        ...flags.map((flag) => line(seen, flag)),
      ];
    }),
  ].join('\n')}\n`;
}

/** For PowerShell 5.1 and 7. Pure. */
export function powershellScript(table: Table): string {
  const { commands, client, files, listed } = parts(table);
  const list = (values: readonly string[]) => `@(${values.map((value) => `'${value}'`).join(', ')})`;
  const row = ({ words, flags }: Pick<CommandChoice, 'words' | 'flags'>) =>
    `@{ words = ${list(words)}; flags = ${list(flags.map(({ flag }) => flag))} }`;
  const root = { words: commands.map(({ command }) => command), flags: client?.flags ?? [] };
  return `# PowerShell completion of ollana, made by \`ollana completion powershell\`
Register-ArgumentCompleter -Native -CommandName ollana -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = @{
${commands.map((one) => `    '${one.command}' = ${row(one)}`).join('\n')}
  }
  $listed = @{
${[...listed].map(([flag, values]) => `    '${flag}' = ${list(values)}`).join('\n')}
  }
  $files = ${list(files)}
  $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
    Where-Object { $_.Extent.EndOffset -lt $cursorPosition -or $wordToComplete -eq '' } | ForEach-Object { $_.ToString() })
  $last = if ($typed.Count -gt 0) { $typed[-1] } else { '' }
  if ($files -contains $last) { return }
  $choices = if ($listed.ContainsKey($last)) { $listed[$last] } else {
    $command = $typed | Where-Object { $commands.ContainsKey($_) } | Select-Object -First 1
    $known = if ($command) { $commands[$command] } else {
      ${row(root)}
    }
    if ($wordToComplete.StartsWith('-')) { $known.flags }
    elseif ($command -and ($typed | Where-Object { $known.words -contains $_ })) { @() }
    else { $known.words }
  }
  $choices | Where-Object { $_.StartsWith($wordToComplete) } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
`;
}

/** In single quotes and brackets, where colons separate. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");
const fishText = (text: string): string => text.replace(/[\\']/g, '\\$&');
