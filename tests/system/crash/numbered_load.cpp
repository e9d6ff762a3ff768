#include "tests/system/crash/numbered_load.hpp"

#include <charconv>

namespace skald::tests {
namespace {

constexpr std::size_t large_bytes = 64 * 1024;

// The same for the same numbers, everywhere and always.
std::uint64_t mixed(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t bits = (a * 0x9e3779b97f4a7c15u) ^ (b * 0xbf58476d1ce4e5b9u) ^ (c * 0x94d049bb133111ebu);
  bits ^= bits >> 31;
  bits *= 0xd6e8feb86659fd93u;
  return bits ^ (bits >> 29);
}

template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data() + text.size() || *end != ' ') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

std::string numbered_value(std::uint32_t sender, std::uint32_t partition, std::uint64_t number) {
  std::string value =
      std::to_string(sender) + " " + std::to_string(partition) + " " + std::to_string(number) + " ";
  const std::uint64_t bits = mixed(sender, partition, number);
  const std::size_t padding = bits % 100 == 0 ? bits / 100 % large_bytes : bits / 100 % 300;
  value.reserve(value.size() + padding);
  for (std::size_t i = 0; i < padding; ++i) value += static_cast<char>('a' + (bits + i * (bits >> 40)) % 26);
  return value;
}

numbered_sender::numbered_sender(std::uint32_t id, const std::string& address, std::string topic,
                                 std::uint32_t partitions, compression compressed, std::uint64_t seed)
    : id_(id),
      topic_(std::move(topic)),
      random_(seed),
      sent_(partitions),
      acknowledged_(partitions),
      broker_({.address = address,
               .reconnect_delay_min = milliseconds(5),
               .reconnect_delay_max = milliseconds(50)}),
      producer_(broker_, {.compression = compressed,
                          .buffer_bytes_max = 2 << 20,
                          .delivery_timeout = std::chrono::minutes(5)}) {
  producer_.on_delivery([this](const delivery_report& report) {
    const std::lock_guard lock(mutex_);
    if (report.failed && !failure_) failure_ = report.failed->message();
    if (!report.failed) acknowledged_[report.partition.value()] += report.records;
  });
  thread_ = std::thread([this] { run(); });
}

numbered_sender::~numbered_sender() {
  stopping_ = true;
  producer_.close();
  if (thread_.joinable()) thread_.join();
}

void numbered_sender::run() {
  try {
    while (!stopping_) {
      const auto partition = static_cast<std::uint32_t>(random_() % sent_.size());
      const std::string value = numbered_value(id_, partition, sent_[partition]);
      producer_.send(topic_, {.value = value, .partition = partition_id(partition)});
      ++sent_[partition];
    }
  } catch (const error& failed) {
    if (stopping_) return;
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = failed.message();
  }
}

void numbered_sender::finish() {
  stopping_ = true;
  thread_.join();
  producer_.flush();
}

std::vector<std::uint64_t> numbered_sender::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

std::optional<std::string> numbered_sender::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<std::string> numbered_reader::accept(const record& each) {
  ++total_;
  const std::string place = "partition " + std::to_string(each.partition().value()) + ", offset " +
                            std::to_string(each.offset().value());
  std::uint32_t sender = 0, partition = 0;
  std::uint64_t number = 0;
  std::string_view rest = each.value().value_or(std::string_view{});
  if (!take_number(rest, sender) || !take_number(rest, partition) || !take_number(rest, number)) {
    return place + ": not a record of this test";
  }
  if (partition != each.partition().value())
    return place + ": was sent to partition " + std::to_string(partition);
  if (*each.value() != numbered_value(sender, partition, number)) return place + ": damaged";
  std::uint64_t& expected = next_[{sender, partition}];
  if (number != expected) {
    const std::string what =
        number < expected ? " appears again or late" : " comes too early: some before it are lost";
    std::string wrong = place + ": record " + std::to_string(number) + " of sender " +
                        std::to_string(sender) + what + " (expected " + std::to_string(expected) + ")";
    expected = number + 1;
    return wrong;
  }
  ++expected;
  return std::nullopt;
}

std::uint64_t numbered_reader::count(std::uint32_t sender, std::uint32_t partition) const {
  const auto found = next_.find({sender, partition});
  return found == next_.end() ? 0 : found->second;
}

}  // namespace skald::tests
