// Reading one key's records, and listing keys.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/batch_builder.hpp"
#include "skald/protocol/record_batch.hpp"

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

// The wanted records of the batches that were read, as one new batch; false if the batches make no sense.
bool pick(protocol::batch_decoder& decoder, const reading& what, std::span<const std::byte> batches,
          protocol::batch_builder& into) {
  auto wanted = what.found->records.begin();
  const auto end = what.found->records.end();
  protocol::batch_splitter rest(batches);
  for (std::size_t i = 0; i < what.run.count && wanted != end; ++i) {
    if (rest.done()) return false;
    const auto batch = rest.next();
    if (!batch) return false;
    const auto records = decoder.check(*batch, {.batch_bytes_max = batches.size()});
    if (!records) return false;
    for (const protocol::record_view& record : *records) {
      if (wanted == end || wanted->batch != i || record.offset != wanted->at) continue;
      const std::vector<protocol::header_view> headers(record.headers.begin(), record.headers.end());
      if (into.append(record.key, record.value, headers, record.timestamp) != errc::ok) return false;
      ++wanted;
    }
  }
  return true;
}

void answer(session_host& host, const reading& what, const slice& batches) {
  protocol::batch_builder builder;
  if (!pick(host.decoder, what, batches.bytes(), builder)) {
    return what.request.fail(errc::storage_corrupt,
                             "the records of the key cannot be read back; see the broker's log and skaldd "
                             "verify");
  }
  const std::size_t count = builder.records();
  const slice payload = count == 0 ? slice() : slice::copy_of(builder.finish());
  what.request.answer(
      [&](flatbuffers::FlatBufferBuilder& to) {
        std::vector<std::uint64_t> versions;
        std::vector<std::uint64_t> offsets;
        for (std::size_t i = 0; i < count; ++i) {
          versions.push_back(what.found->records[i].version);
          offsets.push_back(what.found->records[i].at.value());
        }
        const auto version_list = to.CreateVector(versions);
        const auto offset_list = to.CreateVector(offsets);
        return wire::CreateReadKeyOk(to, what.partition.value(), what.found->version, version_list,
                                     offset_list, what.found->plan.high_watermark.value(),
                                     what.found->plan.log_start.value());
      },
      payload);
}

void read(session_host& host, const pending_request& request, partition_id partition, shared_key_plan found) {
  if (found->plan.why) return request.fail(found->plan.why.code, found->plan.why.message);
  reading what{request, partition, found, {}};
  if (found->plan.batches.empty()) return answer(host, what, {});
  what.run = choose_run(found->plan, 0, host.settings.fetch_bytes_max);
  const shared_plan plan(found, &found->plan);
  const auto done = [&host, what](std::error_code failed, const slice& bytes) {
    if (failed) return what.request.fail(errc::storage_error, "cannot read the batches: " + failed.message());
    answer(host, what, bytes);
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
                      [&host, request = of.open(id)](partition_id in, shared_key_plan found) {
                        read(host, request, in, std::move(found));
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
