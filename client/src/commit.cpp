#include <skald/commit.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <skald/protocol/batch_builder.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/requests.hpp"

namespace skald {

namespace {

timestamp now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace

commit::commit() : data_(std::make_unique<detail::commit_data>()) {}
commit::~commit() = default;
commit::commit(commit&&) noexcept = default;
commit& commit::operator=(commit&&) noexcept = default;

commit::appended& commit::appended::expect_version(std::uint64_t version) {
  of_->appends[index_].expected_version = version;
  return *this;
}

commit::appended& commit::appended::message_id(std::string_view id) {
  of_->appends[index_].message_id = id;
  return *this;
}

commit::appended commit::append(std::string_view topic, const message& what) {
  protocol::batch_builder builder(256);
  const errc code = builder.append(what.key, what.value, what.headers, what.time.value_or(now()));
  if (code != errc::ok)
    throw error(code, "a record for topic \"" + std::string(topic) +
                          "\" cannot be encoded: " + make_error_code(code).message());
  const std::vector<std::byte> batch = builder.finish();
  data_->payload.insert(data_->payload.end(), batch.begin(), batch.end());
  data_->appends.push_back({.topic = std::string(topic),
                            .partition = what.partition,
                            .batch_bytes = static_cast<std::uint32_t>(batch.size()),
                            .expected_version = {},
                            .message_id = {}});
  return {*data_, data_->appends.size() - 1};
}

bool commit::empty() const {
  return data_->appends.empty();
}

std::size_t commit::bytes() const {
  return data_->payload.size();
}

namespace detail {

flatbuffers::Offset<wire::Commit> commit_data::encode(flatbuffers::FlatBufferBuilder& to,
                                                      producer_id producer, producer_epoch epoch,
                                                      std::uint64_t sequence) const {
  std::vector<flatbuffers::Offset<wire::Append>> list;
  list.reserve(appends.size());
  for (const append& one : appends) {
    const auto topic = to.CreateString(one.topic);
    const auto id =
        one.message_id.empty() ? flatbuffers::Offset<flatbuffers::String>() : to.CreateString(one.message_id);
    list.push_back(wire::CreateAppend(to, topic, one.partition.value_or(partition_id()).value(),
                                      one.batch_bytes, !one.partition, one.expected_version, id));
  }
  return wire::CreateCommit(to, to.CreateVector(list), producer.value(), epoch.value(), sequence);
}

result<committed> decode_committed(const incoming_frame& answer, std::exception_ptr& refused) {
  if (const auto* no = answer.header->body_as_CommitRefused()) {
    const auto code = static_cast<errc>(no->code());
    const std::string why(protocol::text(no->message()));
    const auto part =
        no->part() == wire::CommitPart::append ? commit_refused::part::append : commit_refused::part::whole;
    refused = std::make_exception_ptr(commit_refused(code, why, part, no->index(), no->version()));
    return failure{code, why};
  }
  const auto* ok = answer.header->body_as_CommitOk();
  if (ok == nullptr) return unexpected_answer("expected CommitOk");
  committed done;
  for (const auto* one : protocol::each(ok->appended()))
    done.appends.push_back({partition_id(one->partition()),
                            offset(static_cast<std::uint64_t>(std::max<std::int64_t>(one->base_offset(), 0))),
                            one->duplicate(), one->version()});
  return done;
}

}  // namespace detail

}  // namespace skald
