#include "tools/bench/options.hpp"

#include <algorithm>
#include <skald/protocol/topic_name.hpp>
#include <skald/topic.hpp>

#include "tools/cli/quantity.hpp"

namespace skald::cli::bench {
namespace {

constexpr std::uint64_t in_flight_bytes = 32u << 20;       // of all producers together, by default
constexpr std::uint64_t in_flight_max_bytes = 128u << 20;  // likewise, at most
constexpr std::uint64_t requests_in_flight = 64;           // and sagas
constexpr std::uint64_t preload_bytes = 512u << 20;
constexpr std::uint64_t preload_records = 2'000'000;
constexpr std::uint64_t disk_reserve_bytes = 512u << 20;  // the journal's segments, the broker's own reserve
constexpr std::uint64_t kept_bytes = 1u << 30;            // of a topic that is only written, or read at once
constexpr std::uint64_t record_overhead_bytes = 64;       // key, header and index, generously

bool stamped(const options& with) {
  return with.what != workload::publish;
}

bool produces(const options& with) {
  return with.what != workload::consume && with.what != workload::request && with.what != workload::saga;
}

failure bad(const std::string& why) {
  return {errc::invalid_request, why};
}

std::string number_of(std::uint64_t count, const std::string& what) {
  return format_count(count) + " " + what + (count == 1 ? "" : "s");
}

result<> check_topic(const options& with) {
  if (with.topic.empty()) {
    if (with.existing) return bad("--existing is for --topic: say which");
    return {};
  }
  if (const result<> valid = protocol::check_topic_name(with.topic); !valid) return valid.error();
  if (with.existing && with.partitions != 0)
    return bad("--partitions is for a topic that the benchmark creates, not for an existing one");
  if (with.existing && with.what == workload::consume && with.count != 0)
    return bad("--count is how many records to publish first, and an existing topic has its own");
  return {};
}

result<> check_sizes(const options& with) {
  if (with.size.min == 0) return bad("--size: records of 0 B cannot be measured");
  if (stamped(with) && with.file.empty() && with.size.min < stamp_bytes) {
    return bad("--size: records of " + std::string(to_string(with.what)) + " need at least " +
               std::to_string(stamp_bytes) +
               " B, for the number and the checksum by which they are verified");
  }
  return {};
}

}  // namespace

std::string_view to_string(workload what) noexcept {
  switch (what) {
    case workload::publish:
      return "publish";
    case workload::consume:
      return "consume";
    case workload::pubsub:
      return "pubsub";
    case workload::fanout:
      return "fanout";
    case workload::queue:
      return "queue";
    case workload::request:
      return "request";
    case workload::saga:
      return "saga";
  }
  return "";
}

result<size_range> parse_size_range(std::string_view text) {
  constexpr std::uint64_t largest = 64u << 20;
  const std::size_t dash = text.find('-');
  const auto min = parse_size(text.substr(0, dash));
  if (!min) return min.error();
  const auto max = dash == std::string_view::npos ? min : parse_size(text.substr(dash + 1));
  if (!max) return max.error();
  if (*max < *min) return bad("'" + std::string(text) + "' goes from large to small");
  if (*max > largest) return bad("'" + std::string(text) + "' is more than " + format_size(largest));
  return size_range{static_cast<std::size_t>(*min), static_cast<std::size_t>(*max)};
}

result<> check_shares(const options& with) {
  const bool shares = with.what == workload::consume || with.what == workload::pubsub;
  if (!shares || with.partitions == 0 || with.consumers <= with.partitions) return {};
  return bad("--consumers: " + number_of(with.consumers, "consumer") + " cannot share " +
             number_of(with.partitions, "partition"));
}

result<> check(const options& with) {
  if (const auto fine = check_topic(with); !fine) return fine;
  if (const auto fine = check_sizes(with); !fine) return fine;
  if (const auto fine = check_shares(with); !fine) return fine;
  if (with.rate != 0 && with.rate < with.producers)
    return bad("--rate is for all producers together, and each needs at least 1 a second");
  if (with.in_flight > in_flight_max_bytes / with.size.max / with.producers)
    return bad("--in-flight: that would be more than " + format_size(in_flight_max_bytes) + " at a time");
  if (with.count != 0 && with.count < with.producers)
    return bad("--count: there are fewer records than producers");
  return {};
}

std::uint64_t in_flight_of(const options& with, double mean_bytes) {
  if (with.in_flight != 0) return with.in_flight;
  if (with.what == workload::request || with.what == workload::saga) return requests_in_flight;
  const double all = static_cast<double>(in_flight_bytes) / mean_bytes;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(all) / with.producers);
}

std::uint32_t partitions_of(const options& with) {
  if (with.partitions != 0) return with.partitions;
  const bool shared = with.what == workload::consume || with.what == workload::pubsub;
  return shared ? with.consumers : 1;
}

std::uint64_t preload_of(const options& with, double mean_bytes) {
  if (with.count != 0) return with.count;
  const auto fit = static_cast<std::uint64_t>(static_cast<double>(preload_bytes) / mean_bytes);
  return std::clamp<std::uint64_t>(fit, with.partitions, preload_records);
}

disk_plan plan_disk(const options& with, std::uint64_t records_kept, double mean_bytes) {
  if (with.what == workload::request) return {};
  if (with.what == workload::saga) return {disk_reserve_bytes + kept_bytes, unlimited};  // bounded by time
  const auto disk_bytes = [&](std::uint64_t records) {
    constexpr double largest = 1e18;
    const double each = mean_bytes + static_cast<double>(record_overhead_bytes);
    return static_cast<std::uint64_t>(std::min(static_cast<double>(records) * each, largest));
  };
  if (with.what == workload::consume) return {disk_reserve_bytes + disk_bytes(records_kept), unlimited};
  // A topic that is there has a retention of its own, perhaps none; how much will be written nobody knows.
  const std::uint64_t counted = with.count != 0 ? disk_bytes(with.count) : kept_bytes;
  if (with.existing) return {disk_reserve_bytes + counted, unlimited};
  // What is in flight must not be removed before it is read, and with keys all of it may be in one partition.
  std::uint64_t share = kept_bytes / with.partitions;
  if (with.keys != 0) share = std::max(share, 2 * in_flight_max_bytes);
  const std::uint64_t most = share * with.partitions;
  return {disk_reserve_bytes + (with.count != 0 ? std::min(most, counted) : most),
          static_cast<std::int64_t>(share)};
}

std::string describe(const options& with) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (with.what == workload::saga) {
    add(number_of(with.producers, "orchestrator") + " with a participant each");
    add(number_of(with.partitions, "partition"));
    if (with.rate != 0) add(format_count(with.rate) + "/s wanted");
    return text;
  }
  if (with.what == workload::request) {
    add(number_of(with.producers, "caller"));
    add(number_of(with.consumers, "responder"));
  } else {
    if (with.what != workload::consume) add(number_of(with.producers, "producer"));
    if (with.what != workload::publish) add(number_of(with.consumers, "consumer"));
    add(number_of(with.partitions, "partition"));
  }
  if (with.existing && with.what == workload::consume) {
    add("the records that are there");
  } else if (!with.file.empty()) {
    add("records of " + with.file);
  } else {
    add("records of " + format_size(with.size.min) +
        (with.size.max == with.size.min ? "" : " to " + format_size(with.size.max)) +
        (with.payload == content::text ? " of text" : " of random bytes"));
  }
  if (with.keys != 0) add(number_of(with.keys, "key"));
  if (produces(with)) {
    add(with.durability == skald::durability::disk ? "acknowledged when on disk"
                                                   : "acknowledged from memory");
    if (with.compression == skald::compression::lz4) add("lz4");
    if (with.compression == skald::compression::zstd) add("zstd");
  }
  if (with.rate != 0) add(format_count(with.rate) + "/s wanted");
  return text;
}

}  // namespace skald::cli::bench
