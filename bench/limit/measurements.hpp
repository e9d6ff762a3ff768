#pragma once

// The measurements. Each runs for about `duration`, in the calling process plus the server processes it
// forks, and throws std::exception when it cannot be done.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/limit/files.hpp"
#include "bench/limit/report.hpp"

namespace skald::bench::limit {

// How much one growth measurement writes at most.
inline constexpr std::uint64_t growth_bytes = std::uint64_t{1} << 30;

// Writes of `bytes` one after the other into recycled segments, an fdatasync after each.
std::vector<metric> measure_recycled(recycled_segments& segments, std::size_t bytes,
                                     steady_clock::duration duration);

enum class growth {
  append,             // each new segment is an empty file that grows with every write
  zero_filled_ahead,  // the next segment is filled with zeroes by O_DIRECT, in the background, meanwhile
};
// The same where nothing can be recycled yet, as in a young store.
std::vector<metric> measure_growth(growth way, const std::filesystem::path& directory, std::size_t bytes,
                                   steady_clock::duration duration);

enum class commit_threads {
  one,  // gathers and writes the next group when the previous one is durable
  two,  // writes the next group while the previous one is being synced
};
// One client streams frames with payloads of `payload_bytes`, `in_flight` of them unacknowledged at most, to
// a server that makes groups of them durable. A latency is the time from the end of a send to the
// acknowledgement of its last byte.
std::vector<metric> measure_group_commit(recycled_segments& segments, commit_threads threads,
                                         std::size_t payload_bytes, std::size_t in_flight,
                                         steady_clock::duration duration);

// A producer process sends records of `bytes` through a server process to this one, each at its time; the
// server makes all that has come durable and then sends it on, on one thread. A latency is the time from when
// a record was due to its receipt.
std::vector<metric> measure_delivery(recycled_segments& segments, std::size_t bytes, double per_second,
                                     steady_clock::duration duration);

// A server sends a file that is in the page cache to the client, over and over, in reads of `read_bytes`.
std::vector<metric> measure_stream(int file, std::size_t read_bytes, steady_clock::duration duration);

// Round trips of `bytes`, `in_flight` at a time.
std::vector<metric> measure_echo(std::size_t bytes, std::size_t in_flight, steady_clock::duration duration);
// The same from a client through a router process to a responder process and back.
std::vector<metric> measure_routed_echo(std::size_t bytes, std::size_t in_flight,
                                        steady_clock::duration duration);

}  // namespace skald::bench::limit
