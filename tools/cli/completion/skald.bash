# Completion of skald(1) for bash: commands, options, their values, and the names of topics and services, which the
# broker is asked for and given half a second to answer.
#
# Installed as share/bash-completion/completions/skald.bash; or: source tools/cli/completion/skald.bash

# Prints the names of the broker's topics; nothing when it cannot be asked. Arguments: -b HOST:PORT, if given.
_skald_topics() {
  "${COMP_WORDS[0]}" "$@" --timeout 500ms --quiet topic list --names 2>/dev/null
}

# Likewise the names of its services.
_skald_services() {
  "${COMP_WORDS[0]}" "$@" --timeout 500ms --quiet service list --names 2>/dev/null
}

# Likewise the names of consumer groups.
_skald_groups() {
  "${COMP_WORDS[0]}" "$@" --timeout 500ms --quiet group list --names 2>/dev/null
}

_skald() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local global_options='-b --broker --timeout --output -q --quiet -h --help'
  local setting_options='--partitions --retention-bytes --retention --max-bytes --max-record-bytes --max-batch-bytes
    --cleanup --compact-after --keep-tombstones'
  local pub_options='-f --file --input -k --key --key-separator -H --header -p --partition --compression
    --durability --timestamp --producer --delay --at --ttl --timer --message-id
    --expect-version'
  local sub_options='--from -p --partition -k --key --key-prefix -H --header -n --count --follow --no-follow --format
    --group --instance --queue --create --prefetch'
  local serve_options='--concurrency --instance --label -m --metadata'
  local bench_options='--producers --consumers --size --payload --file --warm-up --duration -n --count --limit --dir'
  local bench_topic_options='--partitions --topic --keep --keys --durability --compression --batch --linger'
  local queue_setting_options='--lease --max-attempts --backoff-min --backoff-max --ordered-by-key --dead-letter'
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
        -p | --partition | --compression | --durability | --timestamp | --producer | --from | -n | --count | --format | \
        --partitions | --retention-bytes | --retention | --max-bytes | --max-record-bytes | --max-batch-bytes | \
        --index | --from-version | --prefix | --concurrency | --instance | --label | -m | --metadata | \
        --group | --to | --topic | --queue | --prefetch | --lease | --max-attempts | --backoff-min | \
        --backoff-max | --dead-letter | --delay | --at | --ttl | --timer | --message-id | --expect-version | --cleanup | --compact-after | \
        --keep-tombstones | --orchestrator | --state | --older-than | --since | --patience | --min-free | --expect | \
        --forget | --producers | --consumers | --size | --payload | --keys | --batch | --linger | --rate | \
        --in-flight | --warm-up | --duration | --dir)
        ((++index))
        ;;
      --) [[ $command == serve ]] && return ;;  # what follows is another command's
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command=$word
        elif [[ $command == @(topic|group|service|queue|dead|timer|saga|bench) && -z $subcommand ]]; then
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
    --dir)
      compopt -o dirnames 2>/dev/null
      COMPREPLY=($(compgen -d -- "$current"))
      return
      ;;
    --payload) COMPREPLY=($(compgen -W 'random text' -- "$current")); return ;;
    --input) COMPREPLY=($(compgen -W 'lines json raw' -- "$current")); return ;;
    --compression) COMPREPLY=($(compgen -W 'none lz4 zstd' -- "$current")); return ;;
    --durability) COMPREPLY=($(compgen -W 'memory disk' -- "$current")); return ;;
    --group) COMPREPLY=($(compgen -W "$(_skald_groups "${broker[@]}")" -- "$current")); return ;;
    --topic) COMPREPLY=($(compgen -W "$(_skald_topics "${broker[@]}")" -- "$current")); return ;;
    --from | --to) COMPREPLY=($(compgen -W 'earliest latest' -- "$current")); return ;;
    --index) COMPREPLY=($(compgen -W 'none key' -- "$current")); return ;;
    --state)
      COMPREPLY=($(compgen -W 'running compensating parked completed compensated aborted unfinished' -- "$current"))
      return
      ;;
    --expect) COMPREPLY=($(compgen -W "$(_skald_services "${broker[@]}")" -- "$current")); return ;;
    --cleanup) COMPREPLY=($(compgen -W 'delete compact' -- "$current")); return ;;
    --format) COMPREPLY=($(compgen -W 'text json raw' -- "$current")); return ;;
    --retention-bytes | --retention | --max-bytes) COMPREPLY=($(compgen -W 'unlimited' -- "$current")); return ;;
    --dead-letter) COMPREPLY=($(compgen -W "$(_skald_topics "${broker[@]}")" -- "$current")); return ;;
    -b | --broker | --timeout | -k | --key | --key-separator | --key-prefix | -H | --header | -p | --partition | \
      --timestamp | --producer | -n | --count | --partitions | --max-record-bytes | --max-batch-bytes | --from-version | \
      --prefix | --concurrency | --instance | --label | -m | --metadata | \
      --queue | --prefetch | --lease | --max-attempts | --backoff-min | --backoff-max | \
      --delay | --at | --ttl | --timer | --message-id | --expect-version | --compact-after | --keep-tombstones | \
      --orchestrator | --older-than | --since | --patience | --min-free | --forget | --producers | \
      --consumers | --size | --keys | --batch | --linger | --rate | --in-flight | --warm-up | --duration)
      return
      ;;
  esac

  if [[ $current == -* ]]; then
    local options=$global_options
    case $command:$subcommand in
      :) options+=' --version' ;;
      pub:) options+=" $pub_options" ;;
      sub:) options+=" $sub_options" ;;
      doctor:) options+=' --patience --min-free --expect --metrics --forget' ;;
      ping: | service:ping) options+=' --count' ;;
      topic:create) options+=" $setting_options --if-absent --index" ;;
      get:) options+=' --format' ;;
      events:) options+=' --from-version -n --count --format' ;;
      keys:) options+=' --prefix' ;;
      request:) options+=' -H --header --all -n --count' ;;
      serve:) options+=" $serve_options" ;;
      service:list) options+=' --names' ;;
      service:watch) options+=' -n --count' ;;
      topic:alter) options+=" $setting_options" ;;
      topic:list) options+=' --names' ;;
      bench:saga) options+=' --producers --partitions --keep --warm-up --duration -n --count --limit --dir --rate --in-flight' ;;
      bench:request) options+=" $bench_options --rate --in-flight" ;;
      bench:consume) options+=" $bench_options $bench_topic_options --existing" ;;
      bench:publish) options+=" $bench_options $bench_topic_options --existing --rate --in-flight" ;;
      bench:queue) options+=" $bench_options $bench_topic_options --prefetch --rate --in-flight" ;;
      bench:?*) options+=" $bench_options $bench_topic_options --rate --in-flight" ;;
      timer:move) options+=' --delay --at --if-exists' ;;
      timer:cancel) options+=' --if-exists' ;;
      saga:list) options+=' --orchestrator --state --older-than' ;;
      saga:show) options+=' --orchestrator --diagram' ;;
      saga:*) options+=' --orchestrator' ;;
      trace:) options+=' --topic --since' ;;
      topic:delete | group:delete) options+=' -y --yes' ;;
      group:list) options+=' --names' ;;
      group:reset) options+=' --to --topic --execute' ;;
      queue:create) options+=" $queue_setting_options --if-absent --only-new" ;;
      queue:alter) options+=" $queue_setting_options --not-ordered" ;;
      queue:peek | dead:list) options+=' -n --count' ;;
      queue:purge) options+=' -y --yes --dry-run' ;;
      queue:delete) options+=' -y --yes' ;;
      dead:retry) options+=' --all --dry-run' ;;
      dead:drop) options+=' --all -y --yes --dry-run' ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi

  case $command:$subcommand:$arguments in
    ::0)
      COMPREPLY=($(compgen -W 'topic pub sub queue dead group get events keys timer saga trace request serve service doctor bench status ping' -- "$current"))
      ;;
    group::0) COMPREPLY=($(compgen -W 'list describe reset delete' -- "$current")) ;;
    group:describe:0 | group:reset:0 | group:delete:0)
      COMPREPLY=($(compgen -W "$(_skald_groups "${broker[@]}")" -- "$current"))
      ;;
    topic::0) COMPREPLY=($(compgen -W 'create list describe alter delete' -- "$current")) ;;
    bench::0) COMPREPLY=($(compgen -W 'publish consume pubsub fanout queue request saga' -- "$current")) ;;
    timer::0) COMPREPLY=($(compgen -W 'list move cancel' -- "$current")) ;;
    saga::0) COMPREPLY=($(compgen -W 'list show retry skip compensate abort' -- "$current")) ;;
    service::0) COMPREPLY=($(compgen -W 'list info ping stats watch' -- "$current")) ;;
    request::0 | serve::0 | service:info:0 | service:ping:0 | service:stats:0 | service:watch:0)
      COMPREPLY=($(compgen -W "$(_skald_services "${broker[@]}")" -- "$current"))
      ;;
    queue::0) COMPREPLY=($(compgen -W 'create list describe alter peek retry purge delete' -- "$current")) ;;
    dead::0) COMPREPLY=($(compgen -W 'list show retry drop' -- "$current")) ;;
    pub::0 | sub::0 | queue:*:0 | dead:*:0 | get::0 | events::0 | keys::0 | topic:describe:0 | topic:alter:0 | topic:delete:0)
      COMPREPLY=($(compgen -W "$(_skald_topics "${broker[@]}")" -- "$current"))
      ;;
  esac
}

complete -F _skald skald
