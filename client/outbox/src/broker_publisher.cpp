// Rows to units of work, and the broker's refusals to what a relay understands.
#include <skald/blocking_client.hpp>
#include <skald/tracing.hpp>
#include <vector>

#include "skald/outbox/headers.hpp"
#include "skald/outbox/relay.hpp"

namespace skald::outbox {

namespace {

// What may pass by itself, so that the same rows are tried again.
bool is_temporary(const error& why) {
  switch (static_cast<errc>(why.code().value())) {
    case errc::storage_full:
    case errc::topic_full:
    case errc::shutting_down:
    case errc::overloaded:
    case errc::storage_corrupt:
    case errc::storage_error:
    case errc::internal_error:
    case errc::connection_lost:
    case errc::deadline_exceeded:
    case errc::cancelled:
    case errc::closed:
    case errc::protocol_error:
    case errc::cannot_connect:
      return true;
    default:
      return false;
  }
}

void append_row(commit& to, const row& each) {
  std::vector<header> headers = decode_headers(each.headers);
  // Not that of a record that was passed on with all its headers.
  std::erase_if(headers, [](const header& one) { return one.key == tracing::message_id_header; });
  headers.push_back({.key = tracing::message_id_header, .value = each.id});
  to.append(each.topic, {.key = each.key,
                         .value = each.value,
                         .headers = headers,
                         .partition = each.partition,
                         .time = each.time})
      .message_id(each.id);
}

std::uint64_t publish_rows(blocking_client& broker, std::span<const row> rows) {
  commit effect;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      append_row(effect, rows[i]);
    } catch (const error& why) {
      throw row_refused(i, why.what());
    }
  }
  try {
    std::uint64_t duplicates = 0;
    for (const committed::append& each : broker.commit(std::move(effect)).appends)
      if (each.duplicate) ++duplicates;
    return duplicates;
  } catch (const commit_refused& why) {
    if (is_temporary(why)) throw;
    if (why.what_part() == commit_refused::part::append) throw row_refused(why.index(), why.what());
    throw batch_refused(why.what());
  } catch (const error& why) {
    if (is_temporary(why)) throw;
    throw batch_refused(why.what());
  }
}

}  // namespace

publisher to_broker(blocking_client& broker) {
  return [&broker](std::span<const row> rows) { return publish_rows(broker, rows); };
}

}  // namespace skald::outbox
