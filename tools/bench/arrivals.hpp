// Whether what was sent has come: of each producer's records in each partition, all, each once, in order. A
// benchmark that loses data fails, however fast it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace skald::cli::bench {

// What was not as it should be.
struct discrepancies {
  std::uint64_t missing = 0;
  std::uint64_t repeated = 0;  // or out of order, where order is promised
  std::uint64_t damaged = 0;   // the checksum does not match

  discrepancies& operator+=(const discrepancies& other);
  friend bool operator==(const discrepancies&, const discrepancies&) = default;
  bool none() const { return missing == 0 && repeated == 0 && damaged == 0; }
  // "3 missing, none repeated or out of order, none damaged"
  std::string text() const;
};

// The streams of a run: one from each producer to each partition.
class streams {
 public:
  streams(std::uint32_t producers, std::uint32_t partitions)
      : producers_(producers), partitions_(partitions) {}
  std::size_t count() const { return std::size_t{producers_} * partitions_; }
  std::uint32_t producers() const { return producers_; }
  std::uint32_t partitions() const { return partitions_; }
  bool knows(std::uint32_t producer, std::uint32_t partition) const {
    return producer < producers_ && partition < partitions_;
  }
  std::size_t index(std::uint32_t producer, std::uint32_t partition) const {
    return std::size_t{producer} * partitions_ + partition;
  }

 private:
  std::uint32_t producers_;
  std::uint32_t partitions_;
};

// Of one reader of a log, which promises each stream in order, without gaps.
class ordered_arrivals {
 public:
  explicit ordered_arrivals(streams of) : streams_(of), next_(of.count()) {}

  void saw(std::uint32_t producer, std::uint32_t partition, std::uint64_t sequence);
  void saw_damaged() { ++found_.damaged; }
  // Starts over, as for a reader that goes back to the beginning.
  void rewind();
  // How many of a partition's records were `sent`, by stream, behind the last ones that came.
  std::uint64_t behind(std::uint32_t partition, const std::vector<std::uint64_t>& sent) const;
  const discrepancies& found() const { return found_; }

 private:
  streams streams_;
  std::vector<std::uint64_t> next_;
  discrepancies found_;
};

// Of the consumers of a queue, which promises each record to somebody, in no order, and again when it was not
// acknowledged in time.
class unordered_arrivals {
 public:
  explicit unordered_arrivals(streams of) : streams_(of), seen_(of.count()) {}

  void saw(std::uint32_t producer, std::uint32_t partition, std::uint64_t sequence);
  void saw_damaged() { ++found_.damaged; }
  void merge(const unordered_arrivals& other);
  // Compares with how many were sent in each stream.
  discrepancies against(const std::vector<std::uint64_t>& sent) const;

 private:
  using bits = std::vector<std::uint64_t>;
  streams streams_;
  std::vector<bits> seen_;
  discrepancies found_;
};

}  // namespace skald::cli::bench
