#include "skald/outbox/transaction.hpp"

#include <array>
#include <random>
#include <vector>

#include <skald/outbox/headers.hpp>

namespace skald::outbox {

namespace {

constexpr std::size_t message_id_bytes_max = 240;

// 128 random bits, not a number that counts on: a database that is restored from a backup would count its
// numbers once more, and the broker would drop what it knows as duplicates.
std::string make_unique_prefix() {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::random_device random;
  std::string result;
  for (int word = 0; word < 4; ++word) {
    std::uint32_t bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) result += digits[bits & 0xf];
  }
  return result + '-';
}

}  // namespace

transaction::transaction(store& in) : store_(in) {
  store_.begin();
}

transaction::transaction(store& in, part) : store_(in), is_part_(true) {
  store_.begin_part();
}

transaction::~transaction() {
  if (!open_) return;
  if (!is_part_) {
    store_.rollback();
    return;
  }
  try {
    store_.undo_part();
  } catch (const database_error&) {  // NOLINT(bugprone-empty-catch)
    // The whole is gone already, and says so when it is committed.
  }
}

bool transaction::receive(std::string_view consumer, std::string_view message_id) {
  return store_.receive(consumer, message_id);
}

bool transaction::receive(std::string_view consumer, const record& received) {
  trace(tracing::caused_by(received));
  return receive(consumer, tracing::message_id_of(received));
}

void transaction::keep_answer(std::string_view consumer, std::string_view message_id,
                              std::string_view answer) {
  store_.keep_answer(consumer, message_id, answer);
}

std::optional<std::string> transaction::kept_answer(std::string_view consumer, std::string_view message_id) {
  return store_.kept_answer(consumer, message_id);
}

void transaction::publish(std::string_view topic, const message& what, std::string_view id) {
  if (id.size() > message_id_bytes_max)
    throw error(errc::invalid_request,
                "a message id has at most 240 bytes; this one has " + std::to_string(id.size()));
  std::string made;
  if (id.empty()) {
    if (unique_.empty()) unique_ = make_unique_prefix();
    made = unique_ + std::to_string(count_++);
    id = made;
  }
  std::vector<header> all(what.headers.begin(), what.headers.end());
  traced_.add_to(all);
  const std::string headers = encode_headers(all);
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  store_.add({.id = id,
              .topic = topic,
              .key = what.key,
              .value = what.value,
              .headers = headers,
              .partition = what.partition,
              .time = what.time.value_or(now)});
}

void transaction::commit() {
  is_part_ ? store_.keep_part() : store_.commit();
  open_ = false;
}

}  // namespace skald::outbox
