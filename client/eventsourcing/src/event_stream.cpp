#include "skald/eventsourcing/event_stream.hpp"

#include <array>
#include <charconv>

namespace skald::eventsourcing {

namespace {

constexpr std::uint32_t page_records = 1'000;

std::optional<snapshot> decode_snapshot(std::string_view value) {
  snapshot result;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), result.version);
  const auto digits = static_cast<std::size_t>(end - value.data());
  if (failed != std::errc() || digits == value.size() || value[digits] != '\n') return std::nullopt;
  result.state = value.substr(digits + 1);
  return result;
}

}  // namespace

recorded_event event_of(const record& from) {
  recorded_event result{.type = {}, .data = from.value().value_or("")};
  for (const header& each : from.headers())
    if (each.key == event_type_header) result.type = each.value.value_or("");
  return result;
}

event_stream::event_stream(client& broker, std::string topic, std::string snapshot_topic)
    : broker_(&broker), topic_(std::move(topic)), snapshot_topic_(std::move(snapshot_topic)) {}

boost::asio::awaitable<std::uint64_t> event_stream::read_after(
    std::string key, std::uint64_t version, std::function<void(const recorded_event&)> apply) {
  for (;;) {
    key_records page;
    try {
      page = co_await broker_->read_key(topic_, key, {.from_version = version + 1, .limit = page_records});
    } catch (const error& none) {
      if (none.code() != errc::unknown_key) throw;
      co_return version;
    }
    std::size_t at = 0;
    for (const record& each : page.records) {
      recorded_event happened = event_of(each);
      happened.version = page.versions.at(at++);
      // Retention or compaction has removed what the aggregate is made of.
      if (happened.version != version + 1) break;
      apply(happened);
      ++version;
    }
    if (version >= page.version) co_return version;
    if (at == 0 || page.versions.at(at - 1) != version)
      throw error(errc::offset_out_of_range,
                  "event " + std::to_string(version + 1) + " of key '" + key + "' in topic '" + topic_ +
                      "' is not kept any more: events need a topic without retention");
  }
}

boost::asio::awaitable<std::optional<snapshot>> event_stream::read_snapshot(std::string key) {
  key_records newest;
  try {
    newest = co_await broker_->read_key(snapshot_topic_, key, {.latest = true});
  } catch (const error& none) {
    if (none.code() != errc::unknown_key) throw;
    co_return std::nullopt;
  }
  for (const record& each : newest.records) co_return decode_snapshot(each.value().value_or(""));
  co_return std::nullopt;
}

boost::asio::awaitable<bool> event_stream::append(std::string key, std::uint64_t version,
                                                  std::vector<event> events,
                                                  std::optional<std::string> state_after,
                                                  tracing::lineage cause) {
  commit effect;
  effect.trace(cause);
  std::uint64_t expected = version;
  for (const event& each : events) {
    const std::array headers{header{event_type_header, each.type}};
    effect.append(topic_, {.key = key, .value = each.data, .headers = headers}).expect_version(expected++);
  }
  if (state_after) {
    const std::string saved = std::to_string(expected) + '\n' + *state_after;
    effect.append(snapshot_topic_, {.key = key, .value = saved});
  }
  try {
    co_await broker_->commit(std::move(effect));
  } catch (const commit_refused& why) {
    if (why.code() == errc::version_conflict) co_return false;
    throw;
  }
  co_return true;
}

}  // namespace skald::eventsourcing
