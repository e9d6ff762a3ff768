#!/usr/bin/env bash
# Draws the curves of skald-curves with gnuplot: a figure of each CSV file that is there, for each curve its figures
# one above the other. Each point is a measurement; lines go through the medians of those at one place.
#
#   plot.sh [DIR]      reads DIR/partitions.csv and the others, and makes DIR/partitions.svg, DIR/partitions.png, ...
set -euo pipefail
[[ $# -le 1 ]] || { echo "usage: plot.sh [DIR]" >&2 && exit 2; }
command -v gnuplot >/dev/null || { echo "plot.sh: install gnuplot-nox" >&2 && exit 1; }
cd "${1:-.}"
columns=$(mktemp -d)
trap 'rm -r "$columns"' EXIT

# series CURVE X Y [COLUMN=VALUE]: from the rows that have all of these, "x y" lines, and their medians, in
# $columns/CURVE-Y[-VALUE].points and .medians. Without any, empty files: gnuplot draws nothing there.
series() {
  local curve=$1 x=$2 y=$3 where=${4:-}
  local name=$columns/$curve-$y${where:+-${where#*=}}
  awk -F, -v x="$x" -v y="$y" -v where="$where" '
    /^#/ { next }
    !header { header = 1; for (i = 1; i <= NF; ++i) at[$i] = i; split(where, wanted, "="); next }
    !(x in at) || !(y in at) { exit }
    (where == "" || $at[wanted[1]] == wanted[2]) && $at[x] != "" && $at[y] != "" { print $at[x], $at[y] }
  ' "$curve.csv" >"$name.points"
  sort -g -k1,1 -k2,2 "$name.points" | awk '
    function flush() { if (n) print x, (n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2) }
    n && $1 != x { flush(); n = 0 }
    { x = $1; v[++n] = $2 }
    END { flush() }
  ' >"$name.medians"
}

# panel TITLE YLABEL NAME LEGEND [NAME LEGEND]...: one figure with these series.
panel() {
  local title=$1 unit=$2 line=1 drawn=()
  shift 2
  while [[ $# -gt 0 ]]; do
    if [[ -s $columns/$1.points ]]; then
      drawn+=("'$columns/$1.medians' with lines linewidth 2 linetype $line title '$2'"
        "'$columns/$1.points' with points pointtype 7 pointsize 0.6 linetype $line notitle")
    fi
    line=$((line + 1))
    shift 2
  done
  if [[ ${#drawn[@]} -eq 0 ]]; then drawn=("NaN notitle"); fi
  printf "set title '%s'\nset ylabel '%s'\nplot %s\n" "$title" "$unit" "$(IFS=,; echo "${drawn[*]}")"
}

# figure CURVE PANELS XLABEL SCALE TITLE: draws the panels of standard input.
figure() {
  local curve=$1 panels=$2 xlabel=$3 scale=$4 title=$5 body kind
  body=$(cat)
  for kind in svg png; do
    local terminal="svg size 900,$((60 + 300 * panels)) dynamic background rgb 'white'"
    [[ $kind == svg ]] || terminal="pngcairo size 1350,$((90 + 450 * panels)) fontscale 1.3 linewidth 1.5"
    gnuplot <<PLOT
set terminal ${terminal}
set output '${curve}.${kind}'
set multiplot layout ${panels},1 title "${title}"
set grid
set key outside right top Left reverse
set lmargin 12
set rmargin 29
set yrange [0:*]
set offsets 0, graph 0.02, graph 0.05, 0
set xlabel '${xlabel}'
${scale}
${body}
PLOT
  done
}

partial() { grep -q '^# interrupted' "$1.csv" && echo ' (interrupted: a part)' || true; }

# What the x axis is where each point is ten times the one before; and what the y axes of the panels after it are.
readonly by_ten="set logscale x 10; set format x '%.0s%c'; set xrange [0.8:12500]"
logarithmic_y() { echo "set logscale y 10; set yrange [*:*]; set format y '%.0s%c'"; }
linear_y() { echo "unset logscale y; set yrange [0:*]; set format y '%g'"; }

partitions() {
  local batches
  for batches in mixed full; do
    for y in publish_mb_per_s consume_mb_per_s memory_mb restart_s records_per_batch; do
      series partitions partitions "$y" "batches=$batches"
    done
  done
  series partitions partitions memory_idle_mb
  {
    panel 'durable publishing, one client' 'MB/s' \
      partitions-publish_mb_per_s-full 'batch by batch' partitions-publish_mb_per_s-mixed 'record by record'
    logarithmic_y
    panel 'records in a batch' 'records' \
      partitions-records_per_batch-full 'batch by batch' partitions-records_per_batch-mixed 'record by record'
    linear_y
    panel 'reading all of that, one client' 'MB/s' \
      partitions-consume_mb_per_s-full 'batch by batch' partitions-consume_mb_per_s-mixed 'record by record'
    panel 'memory of the broker' 'MB' \
      partitions-memory_mb-full 'batch by batch' partitions-memory_mb-mixed 'record by record' \
      partitions-memory_idle_mb 'before publishing'
    panel 'from SIGKILL until it serves again' 's' \
      partitions-restart_s-full 'batch by batch' partitions-restart_s-mixed 'record by record'
  } | figure partitions 5 'partitions of the topic' "$by_ten" \
    "1 KiB records to ever more partitions$(partial partitions)"
}

connections() {
  local publishing
  for publishing in all ten; do
    for y in publish_mb_per_s publish_records_per_s memory_mb records_per_batch; do
      series connections connections "$y" "publishing=$publishing"
    done
  done
  series connections connections idle_connection_kb
  {
    panel 'durable publishing, all together' 'MB/s' \
      connections-publish_mb_per_s-all 'all publish' connections-publish_mb_per_s-ten 'ten publish'
    logarithmic_y
    panel 'records in a batch' 'records' \
      connections-records_per_batch-all 'all publish' connections-records_per_batch-ten 'ten publish'
    linear_y
    panel 'memory of the broker' 'MB' \
      connections-memory_mb-all 'all publish' connections-memory_mb-ten 'ten publish'
    panel 'memory of an idle connection' 'kB' connections-idle_connection_kb 'each'
  } | figure connections 4 'connections' "$by_ten" "1 KiB records over ever more connections$(partial connections)"
}

sizes() {
  local y sizes="'16 B' 16, '64 B' 64, '256 B' 256, '1 KiB' 1024, '4 KiB' 4096, '16 KiB' 16384, '64 KiB' 65536"
  sizes+=", '256 KiB' 262144, '1 MiB' 1048576"
  for y in publish_records_per_s consume_records_per_s publish_mb_per_s consume_mb_per_s; do
    series sizes record_bytes "$y"
  done
  {
    panel 'megabytes' 'MB/s' sizes-publish_mb_per_s 'publish, durable' sizes-consume_mb_per_s 'consume'
    logarithmic_y
    panel 'records' 'records/s' sizes-publish_records_per_s 'publish, durable' \
      sizes-consume_records_per_s 'consume'
  } | figure sizes 2 'bytes of a record' "set logscale x 2; set xrange [12:1500000]; set xtics ($sizes)" \
    "Records of 16 B to 1 MiB, one client$(partial sizes)"
}

backlog() {
  local y restart
  for y in publish_mb_per_s consume_mb_per_s memory_mb; do series backlog stored_gb "$y"; done
  restart=$(awk -F, '/^[0-9]/ && $5 != "" { print $5 }' backlog.csv)
  {
    panel 'each gigabyte published, then read' 'MB/s' \
      backlog-publish_mb_per_s 'publish, durable' backlog-consume_mb_per_s 'consume'
    panel 'memory of the broker' 'MB' backlog-memory_mb 'its own'
  } | figure backlog 2 'GB that the topic holds' 'set xrange [0:*]' \
    "1 KiB records to a topic that grows${restart:+; from SIGKILL until it serves again: $restart s}$(partial backlog)"
}

consumers() {
  local kind y
  for kind in log queue; do
    for y in records_per_s mb_per_s memory_mb slowest_share; do series consumers consumers "$y" "kind=$kind"; done
  done
  {
    panel 'a log, of which each reads everything: all together' 'MB/s' consumers-mb_per_s-log '1 KiB records'
    panel 'the slowest, beside the mean' 'share' consumers-slowest_share-log 'log'
    echo "set format y '%.1s%c'"
    panel 'a queue, which they share: acknowledged durably' 'records/s' consumers-records_per_s-queue '100 B records'
    linear_y
    panel 'memory of the broker' 'MB' consumers-memory_mb-log 'log' consumers-memory_mb-queue 'queue'
  } | figure consumers 4 'consumers' "$by_ten; set xrange [0.8:1250]" "Ever more consumers$(partial consumers)"
}

retention() {
  local y ratio
  for y in publish_mb_per_s data_gb published_gb passed_gb dirtied_gb to_disk_gb; do series retention published_gb "$y"; done
  ratio=$(sed -n 's/.*steady_to_fresh=//p' retention.csv)
  {
    panel 'durable publishing' 'MB/s' retention-publish_mb_per_s 'each quarter second'
    panel 'the data directory' 'GB' retention-data_gb 'on disk'
    panel 'what is written for what is published' 'GB' \
      retention-dirtied_gb 'dirtied pages' retention-to_disk_gb 'disk, by all' \
      retention-passed_gb 'passed to write' retention-published_gb 'published'
  } | figure retention 3 'GB published' 'set xrange [0:*]' \
    "A topic that keeps 1 GiB, written over and over${ratio:+; steady / fresh: $ratio}$(partial retention)"
}

for curve in partitions connections sizes backlog consumers retention; do
  if [[ -s $curve.csv ]]; then "$curve"; fi
done
