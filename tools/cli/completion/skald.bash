# Completion of skald(1) for bash: commands, options, their values, and the names of topics, which the broker is
# asked for and given half a second to answer.
#
# Installed as share/bash-completion/completions/skald.bash; or: source tools/cli/completion/skald.bash

# Prints the names of the broker's topics; nothing when it cannot be asked. Arguments: -b HOST:PORT, if given.
_skald_topics() {
  "${COMP_WORDS[0]}" "$@" --timeout 500ms --quiet topic list --names 2>/dev/null
}

_skald() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local global_options='-b --broker --timeout --output -q --quiet -h --help'
  local setting_options='--partitions --retention-bytes --retention --max-bytes --max-record-bytes --max-batch-bytes'
  local pub_options='-f --file --input -k --key --key-separator -H --header -p --partition --compression
    --durability --timestamp'
  local sub_options='--from -p --partition -k --key --key-prefix -H --header -n --count --follow --no-follow --format'
  COMPREPLY=()

  # The words before the cursor: the command, how many arguments it has, and the broker to ask. A colon is a word
  # of its own for bash, so the address is put together again.
  local command='' subcommand='' arguments=0 broker=() word index
  for ((index = 1; index < COMP_CWORD; ++index)); do
    word=${COMP_WORDS[index]}
    case $word in
      -b | --broker)
        broker=(-b "${COMP_WORDS[index+1]}")
        ((++index))
        if [[ ${COMP_WORDS[index+1]} == : ]]; then
          broker[1]+=:${COMP_WORDS[index+2]}
          ((index += 2))
        fi
        ;;
      --timeout | --output | -f | --file | --input | -k | --key | --key-separator | --key-prefix | -H | --header | \
        -p | --partition | --compression | --durability | --timestamp | --from | -n | --count | --format | \
        --partitions | --retention-bytes | --retention | --max-bytes | --max-record-bytes | --max-batch-bytes)
        ((++index))
        ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command=$word
        elif [[ $command == topic && -z $subcommand ]]; then
          subcommand=$word
        else
          ((++arguments))
        fi
        ;;
    esac
  done

  case $previous in
    -f | --file)
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -f -- "$current"))
      return
      ;;
    --output) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --input) COMPREPLY=($(compgen -W 'lines json raw' -- "$current")); return ;;
    --compression) COMPREPLY=($(compgen -W 'none lz4 zstd' -- "$current")); return ;;
    --durability) COMPREPLY=($(compgen -W 'memory disk' -- "$current")); return ;;
    --from) COMPREPLY=($(compgen -W 'earliest latest' -- "$current")); return ;;
    --format) COMPREPLY=($(compgen -W 'text json raw' -- "$current")); return ;;
    --retention-bytes | --retention | --max-bytes) COMPREPLY=($(compgen -W 'unlimited' -- "$current")); return ;;
    -b | --broker | --timeout | -k | --key | --key-separator | --key-prefix | -H | --header | -p | --partition | \
      --timestamp | -n | --count | --partitions | --max-record-bytes | --max-batch-bytes)
      return
      ;;
  esac

  if [[ $current == -* ]]; then
    local options=$global_options
    case $command:$subcommand in
      :) options+=' --version' ;;
      pub:) options+=" $pub_options" ;;
      sub:) options+=" $sub_options" ;;
      ping:) options+=' --count' ;;
      topic:create) options+=" $setting_options --if-absent" ;;
      topic:alter) options+=" $setting_options" ;;
      topic:list) options+=' --names' ;;
      topic:delete) options+=' -y --yes' ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi

  case $command:$subcommand:$arguments in
    ::0) COMPREPLY=($(compgen -W 'topic pub sub status ping' -- "$current")) ;;
    topic::0) COMPREPLY=($(compgen -W 'create list describe alter delete' -- "$current")) ;;
    pub::0 | sub::0 | topic:describe:0 | topic:alter:0 | topic:delete:0)
      COMPREPLY=($(compgen -W "$(_skald_topics "${broker[@]}")" -- "$current"))
      ;;
  esac
}

complete -F _skald skald
