#include "tools/bench/arrivals.hpp"

#include <algorithm>
#include <bit>

#include "tools/cli/quantity.hpp"

namespace skald::cli::bench {
namespace {

constexpr std::uint64_t word_bits = 64;

}  // namespace

discrepancies& discrepancies::operator+=(const discrepancies& other) {
  missing += other.missing;
  repeated += other.repeated;
  damaged += other.damaged;
  return *this;
}

std::string discrepancies::text() const {
  const auto number = [](std::uint64_t count) { return count == 0 ? "none" : format_count(count); };
  return number(missing) + " missing, " + number(repeated) + " repeated or out of order, " + number(damaged) +
         " damaged";
}

void ordered_arrivals::saw(std::uint32_t producer, std::uint32_t partition, std::uint64_t sequence) {
  if (!streams_.knows(producer, partition)) return saw_damaged();
  std::uint64_t& next = next_[streams_.index(producer, partition)];
  if (sequence < next) {
    ++found_.repeated;
    return;
  }
  found_.missing += sequence - next;
  next = sequence + 1;
}

void ordered_arrivals::rewind() {
  std::ranges::fill(next_, 0);
}

std::uint64_t ordered_arrivals::behind(std::uint32_t partition,
                                       const std::vector<std::uint64_t>& sent) const {
  std::uint64_t all = 0;
  for (std::uint32_t producer = 0; producer < streams_.producers(); ++producer) {
    const std::size_t stream = streams_.index(producer, partition);
    if (next_[stream] < sent[stream]) all += sent[stream] - next_[stream];
  }
  return all;
}

void unordered_arrivals::saw(std::uint32_t producer, std::uint32_t partition, std::uint64_t sequence) {
  if (!streams_.knows(producer, partition)) return saw_damaged();
  bits& seen = seen_[streams_.index(producer, partition)];
  const auto word = static_cast<std::size_t>(sequence / word_bits);
  if (word >= seen.size()) seen.resize(word + 1);
  const std::uint64_t bit = std::uint64_t{1} << (sequence % word_bits);
  if ((seen[word] & bit) != 0) ++found_.repeated;
  seen[word] |= bit;
}

void unordered_arrivals::merge(const unordered_arrivals& other) {
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    bits& mine = seen_[i];
    const bits& theirs = other.seen_[i];
    mine.resize(std::max(mine.size(), theirs.size()));
    for (std::size_t word = 0; word < theirs.size(); ++word) {
      found_.repeated += static_cast<std::uint64_t>(std::popcount(mine[word] & theirs[word]));
      mine[word] |= theirs[word];
    }
  }
  found_ += other.found_;
}

discrepancies unordered_arrivals::against(const std::vector<std::uint64_t>& sent) const {
  discrepancies all = found_;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    std::uint64_t came = 0;
    for (const std::uint64_t word : seen_[i]) came += static_cast<std::uint64_t>(std::popcount(word));
    if (came < sent[i]) all.missing += sent[i] - came;
  }
  return all;
}

}  // namespace skald::cli::bench
