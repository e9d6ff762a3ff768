// Reading one key's records, and listing keys.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/record_selection.hpp"
#include "broker/server/session.hpp"

namespace skald::server::handlers {

namespace {

constexpr std::size_t records_max = 1000;
constexpr std::size_t keys_max = 1000;

std::string bytes_of(const flatbuffers::Vector<std::uint8_t>* field) {
  return field == nullptr ? std::string() : std::string(field->begin(), field->end());
}

struct reading {
  pending_request request;
  partition_id partition;
  shared_key_plan found;
  batch_run run;
};

void answer(session_host& host, const reading& what, std::span<const std::byte> batches) {
  std::vector<offset> wanted;
  for (const shard::key_plan::record& one : what.found->records)
    if (one.batch < what.run.count) wanted.push_back(one.at);
  record_selection chosen;
  chosen.begin({}, {.bytes_max = host.settings.fetch_bytes_max, .records_max = records_max});
  if (const auto added = chosen.add(batches, listed_offsets(wanted)); !added)
    return what.request.fail(errc::storage_corrupt, added.error().message);
  selected_records selected = chosen.take(host.reader.memory());
  what.request.answer(
      [&](flatbuffers::FlatBufferBuilder& to) {
        std::vector<std::uint64_t> versions;
        versions.reserve(selected.offsets.size());
        for (std::size_t i = 0; i < selected.offsets.size(); ++i)
          versions.push_back(what.found->records[i].version);
        const auto version_list = to.CreateVector(versions);
        const auto offset_list = to.CreateVector(selected.offsets);
        return wire::CreateReadKeyOk(to, what.partition.value(), what.found->version, version_list,
                                     offset_list, what.found->plan.high_watermark.value(),
                                     what.found->plan.log_start.value());
      },
      std::move(selected.payload));
}

void read(session_host& host, const pending_request& request, partition_id partition,
          const shared_key_plan& found) {
  if (found->plan.why) return request.fail(found->plan.why.code, found->plan.why.message);
  reading what{request, partition, found, {}};
  if (found->plan.batches.empty()) return answer(host, what, {});
  what.run = choose_run(found->plan, 0, host.settings.fetch_bytes_max);
  const shared_plan plan(found, &found->plan);
  const auto done = [&host, what](std::error_code failed, const slice& bytes) {
    if (failed) return what.request.fail(errc::storage_error, "cannot read the batches: " + failed.message());
    answer(host, what, bytes.bytes());
  };
  if (const auto now = host.reader.read(plan, what.run, done)) done(now->failed, now->bytes);
}

}  // namespace

void read_key(session& of, std::uint64_t id, const wire::ReadKey& message) {
  session_host& host = of.host();
  std::optional<partition_id> partition;
  if (message.partition().has_value()) partition = partition_id(message.partition().value());
  host.shard.plan_key(std::string(protocol::text(message.topic())), partition, bytes_of(message.key()),
                      std::max<std::uint64_t>(message.from_version(), 1),
                      std::min<std::size_t>(message.limit(), records_max),
                      [&host, request = of.open(id)](partition_id in, const shared_key_plan& found) {
                        read(host, request, in, found);
                      });
}

void list_keys(session& of, std::uint64_t id, const wire::ListKeys& message) {
  const std::size_t asked = message.limit();
  of.host().shard.list_keys(
      std::string(protocol::text(message.topic())), partition_id(message.partition()),
      bytes_of(message.prefix()), bytes_of(message.after()),
      asked == 0 ? keys_max : std::min(asked, keys_max),
      [request = of.open(id)](const shard::key_listing& listing) {
        if (listing.why) return request.fail(listing.why.code, listing.why.message);
        request.answer([&](flatbuffers::FlatBufferBuilder& to) {
          std::vector<flatbuffers::Offset<wire::KeyInfo>> keys;
          keys.reserve(listing.keys.size());
          for (const auto& one : listing.keys) {
            const auto key =
                to.CreateVector(reinterpret_cast<const std::uint8_t*>(one.key.data()), one.key.size());
            keys.push_back(wire::CreateKeyInfo(to, key, one.version, one.latest.value()));
          }
          return wire::CreateListKeysOk(to, to.CreateVector(keys), listing.more);
        });
      });
}

}  // namespace skald::server::handlers
