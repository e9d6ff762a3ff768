#!/usr/bin/env bash
# Draws the figures of skald-compare's CSV with gnuplot: bars of records a second, by record size and broker, on a
# logarithmic scale, with the lowest and highest repetition.
#
#   plot.sh FILE.csv NAME     makes NAME-publish.svg, NAME-publish.png, NAME-consume.svg and NAME-consume.png
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: plot.sh FILE.csv NAME" >&2 && exit 2; }
command -v gnuplot >/dev/null || { echo "plot.sh: install gnuplot-nox (tools/setup compare)" >&2 && exit 1; }
readonly csv=$1 name=$2
columns=$(mktemp)
trap 'rm -f "$columns"' EXIT

# gnuplot wants a column for each broker: a line for each size, and for each broker median, lowest and highest.
transpose() {
  awk -F, -v workload="$1" '
    $1 == workload {
      if (!($2 in broker)) { broker[$2] = ++brokers; names[brokers] = $2 }
      if (!($4 in size)) { size[$4] = ++sizes; bytes[sizes] = $4 }
      cell[$4, $2] = $5 " " $6 " " $7
    }
    END {
      printf "bytes"
      for (b = 1; b <= brokers; ++b) printf " \"%s\" low high", names[b]
      print ""
      for (s = 1; s <= sizes; ++s) {
        printf "\"%s B\"", bytes[s]
        for (b = 1; b <= brokers; ++b)
          printf " %s", ((bytes[s], names[b]) in cell) ? cell[bytes[s], names[b]] : "NaN NaN NaN"
        print ""
      }
    }' "$csv"
}

for workload in publish consume; do
  transpose "$workload" >"$columns"
  brokers=$((($(head -1 "$columns" | wc -w) - 1) / 3))
  [[ $brokers -gt 0 ]] || { echo "plot.sh: $csv has no figures of $workload" >&2 && exit 1; }
  for terminal in "svg size 960,540 background rgb 'white'" "pngcairo size 1440,810"; do
    extension=${terminal%% *}
    gnuplot <<PLOT
set terminal ${terminal}
set output '${name}-${workload}.${extension/pngcairo/png}'
set title '${workload}: records a second, median and spread'
set style data histograms
set style histogram errorbars gap 2 linewidth 1
set style fill solid 0.8 border -1
set logscale y
set format y '10^{%T}'
set grid ytics
set key outside right top
set linetype 9 linecolor rgb '#8c564b'
set linetype 10 linecolor rgb '#9a9a9a'
set linetype cycle 10
plot for [b=0:$((brokers - 1))] '${columns}' using 3*b+2:3*b+3:3*b+4:xtic(1) title columnheader(3*b+2)
PLOT
  done
done
