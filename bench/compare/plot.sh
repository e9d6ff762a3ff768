#!/usr/bin/env bash
# Draws the figures of skald-compare's CSV with gnuplot: for each workload and broker bars with the lowest and highest
# repetition, on a logarithmic scale.
#
#   plot.sh FILE.csv NAME     makes NAME-WORKLOAD.svg and .png of what there is: publish, consume, latency-p50,
#                             latency-p99.9, request, request-median, fanout, queue, streams
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: plot.sh FILE.csv NAME" >&2 && exit 2; }
command -v gnuplot >/dev/null || { echo "plot.sh: install gnuplot-nox (tools/setup compare)" >&2 && exit 1; }
readonly csv=$1 name=$2
columns=$(mktemp)
trap 'rm -f "$columns"' EXIT

# gnuplot wants a column for each broker: a line for each variant, and for each broker median, lowest and highest.
transpose() {
  awk -F, -v workload="$1" -v figure="$2" '
    $1 == workload && $5 == figure {
      if (!($2 in broker)) { broker[$2] = ++brokers; names[brokers] = $2 }
      if (!($4 in variant)) { variant[$4] = ++variants; texts[variants] = $4 }
      cell[$4, $2] = $7 " " $8 " " $9
    }
    END {
      printf "variant"
      for (b = 1; b <= brokers; ++b) printf " \"%s\" low high", names[b]
      print ""
      for (v = 1; v <= variants; ++v) {
        printf "\"%s\"", texts[v]
        for (b = 1; b <= brokers; ++b)
          printf " %s", ((texts[v], names[b]) in cell) ? cell[texts[v], names[b]] : "NaN NaN NaN"
        print ""
      }
    }' "$csv"
}

# A broker has one hue and each of its settings a shade of it, in all plots.
color_of() {
  case $1 in
    skald/default) echo '#b2182b' ;;
    skald/*) echo '#ef8a62' ;;
    nats/fsync) echo '#08519c' ;;
    nats/core) echo '#9ecae1' ;;
    nats/*) echo '#4292c6' ;;
    redis/fsync) echo '#00441b' ;;
    redis/aof) echo '#238b45' ;;
    redis/pubsub) echo '#c7e9c0' ;;
    redis/*) echo '#74c476' ;;
    rabbitmq/quorum) echo '#7f2704' ;;
    rabbitmq/stream) echo '#d94801' ;;
    rabbitmq/*) echo '#fdae6b' ;;
    mosquitto/qos0) echo '#bcbddc' ;;
    mosquitto/*) echo '#6a51a3' ;;
    kafka/fsync) echo '#252525' ;;
    kafka/*) echo '#bdbdbd' ;;
    *) echo '#ffd92f' ;;
  esac
}

# Bars of all brokers that have any.
bars() {
  local column=2 broker
  while read -r broker; do
    [[ $column -eq 2 ]] || echo -n ', '
    echo -n "'$columns' skip 1 using $column:$((column + 1)):$((column + 2)):xtic(1) title '$broker' " \
      "linecolor rgb '$(color_of "$broker")'"
    column=$((column + 3))
  done < <(head -1 "$columns" | grep -o '"[^"]*"' | tr -d '"')
}

# draw SUFFIX TITLE
draw() {
  local terminal extension
  for terminal in "svg size 960,540 background rgb 'white'" "pngcairo size 1440,810 fontscale 1.3"; do
    extension=${terminal%% *}
    gnuplot <<PLOT
set terminal ${terminal}
set output '${name}-$1.${extension/pngcairo/png}'
set title "$2"
set style data histograms
set style histogram errorbars gap 2 linewidth 1
set style fill solid 1 border rgb '#404040'
set errorbars 0.6
set logscale y
set yrange [*<1:*]
set format y "%.0s%c"
set grid ytics
set xtics nomirror scale 0
set ytics nomirror
set xrange [-0.6:$(($(wc -l <"$columns") - 2)).6]
set key outside right top
plot $(bars)
PLOT
  done
}

drawn=0
# plot WORKLOAD FIGURE SUFFIX TITLE
plot() {
  grep -q "^$1,[^,]*,[^,]*,[^,]*,$2," "$csv" || return 0
  transpose "$1" "$2" >"$columns"
  draw "$3" "$4: median and spread of the repetitions"
  drawn=1
}

plot publish records publish 'publish: records a second, by their size'
plot consume records consume 'consume: records a second, by their size'
plot latency p50 latency-p50 'latency: µs from due to received, median, by rate'
plot latency p99.9 latency-p99.9 'latency: µs from due to received, 99.9 %, by rate'
plot request requests request 'request: requests a second, by how many are in flight'
plot request median request-median 'request: µs to the reply, median, by how many are in flight'
plot fanout deliveries fanout 'fanout: deliveries a second, by how many subscribe'
plot queue jobs queue 'queue: records taken and acknowledged a second, by how many workers'
plot streams records streams 'streams: records published a second, by how many streams'
[[ $drawn -eq 1 ]] || { echo "plot.sh: $csv has no figures" >&2 && exit 1; }
