#include <skald/commit.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <skald/protocol/batch_builder.hpp>
#include <skald/queue.hpp>
#include <skald/subscription.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/requests.hpp"
#include "client/src/subscriber.hpp"

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

commit::appended& commit::appended::deliver_at(timestamp when) {
  of_->appends[index_].when = when;
  return *this;
}

commit::appended& commit::appended::delay(milliseconds by) {
  of_->appends[index_].when = by;
  return *this;
}

commit::appended& commit::appended::ttl(milliseconds after) {
  of_->appends[index_].ttl = after;
  return *this;
}

commit::appended commit::set_timer(std::string_view name, due when, std::string_view topic,
                                   const message& what) {
  const appended added = append(topic, what);
  data_->appends.back().when = when;
  data_->appends.back().timer = name;
  return added;
}

void commit::cancel_timer(std::string_view name, missing if_missing) {
  data_->timers.push_back({std::string(name), {}, if_missing == missing::fine});
}

void commit::move_timer(std::string_view name, due when, missing if_missing) {
  data_->timers.push_back({std::string(name), when, if_missing == missing::fine});
}

void commit::trace(const tracing::lineage& caused_by) {
  data_->traced = caused_by;
}

const tracing::lineage& commit::traced() const {
  return data_->traced;
}

commit::appended commit::append(std::string_view topic, const message& what) {
  std::vector<header> headers(what.headers.begin(), what.headers.end());
  data_->traced.add_to(headers);
  protocol::batch_builder builder(256);
  const errc code = builder.append(what.key, what.value, headers, what.time.value_or(now()));
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

void commit::acknowledge(const delivery& what) {
  acknowledge(std::span(&what, 1));
}

void commit::acknowledge(std::span<const delivery> what) {
  for (const delivery& one : what) {
    const std::uint64_t at = one.offset().value();
    if (!data_->acked.empty()) {
      auto& last = data_->acked.back();
      if (last.client == one.client_ && last.consumer == one.consumer_ && last.lease == one.lease_ &&
          last.first + last.count == at) {
        ++last.count;
        continue;
      }
    }
    data_->acked.push_back({one.client_, one.consumer_, one.lease_, at, 1});
  }
}

void commit::acknowledge(const subscription& by, const record& last) {
  data_->positions.push_back(
      {by.core_, std::string(last.topic()), last.partition(), last.offset() + 1, {}, {}});
}

void commit::acknowledge(const subscription& by, const records& done) {
  data_->positions.push_back(
      {by.core_, std::string(done.topic()), done.partition(), done.end_offset(), {}, {}});
}

bool commit::empty() const {
  return data_->appends.empty() && data_->timers.empty() && data_->acked.empty() && data_->positions.empty();
}

std::size_t commit::bytes() const {
  return data_->payload.size();
}

namespace detail {

namespace {

std::optional<std::int64_t> time_of(const std::optional<due>& when) {
  if (!when || !when->at()) return std::nullopt;
  return when->at()->time_since_epoch().count();
}
// A negative delay has passed already; a negative time to live is refused by the broker, as 0 is.
std::optional<std::uint64_t> count_of(const std::optional<milliseconds>& duration) {
  if (!duration) return std::nullopt;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration->count(), 0));
}
std::optional<std::uint64_t> delay_of(const std::optional<due>& when) {
  return when ? count_of(when->delay()) : std::nullopt;
}

commit_refused::part part_of(wire::CommitPart part) {
  switch (part) {
    case wire::CommitPart::append:
      return commit_refused::part::append;
    case wire::CommitPart::timer:
      return commit_refused::part::timer;
    case wire::CommitPart::settlement:
      return commit_refused::part::delivery;
    case wire::CommitPart::position:
      return commit_refused::part::position;
    default:
      return commit_refused::part::whole;
  }
}

flatbuffers::Offset<flatbuffers::String> text_of(flatbuffers::FlatBufferBuilder& to, std::string_view text) {
  return text.empty() ? flatbuffers::Offset<flatbuffers::String>() : to.CreateString(text);
}

flatbuffers::Offset<wire::CommitOffsets> encode_position(flatbuffers::FlatBufferBuilder& to,
                                                         const commit_data::position& one) {
  const auto group = to.CreateString(one.as.group);
  const auto next =
      wire::CreatePartitionOffset(to, one.of.partition.value(), one.next.value(), one.of.topic.value());
  return wire::CreateCommitOffsets(to, group, one.as.member, one.as.epoch, to.CreateVector(&next, 1));
}

result<> check_count(std::size_t count, std::size_t most, const char* of_what) {
  if (count <= most) return {};
  return failure{errc::invalid_request, "a commit has at most " + std::to_string(most) + " " + of_what +
                                            ", and this one " + std::to_string(count) + "; make several"};
}

}  // namespace

result<> commit_data::resolve(const connection& through) {
  for (const auto& checked : {check_count(appends.size(), protocol::appends_max, "records"),
                              check_count(timers.size(), protocol::timers_max, "timers to change"),
                              check_count(acked.size(), protocol::settled_max, "runs of leased records"),
                              check_count(positions.size(), protocol::groups_max, "positions of groups")})
    if (!checked) return checked;
  for (const acked_run& run : acked)
    if (run.client != through.number())
      return failure{errc::invalid_request,
                     "a commit acknowledges a record that another client has received, or nobody; commit it "
                     "with the client that received it"};
  for (position& one : positions) {
    const auto by = one.by.lock();
    if (!by || by->is_over())
      return failure{errc::closed, "the subscription that has received an input of a commit is closed"};
    if (&by->connection() != &through)
      return failure{errc::invalid_request,
                     "a commit acknowledges what another client has received; commit it with that client"};
    const auto place = by->input_place(one.topic, one.partition);
    if (!place) return place.error();
    one.of = *place;
  }
  return {};
}

std::size_t commit_data::first_delivery(std::size_t run) const {
  std::size_t before = 0;
  for (std::size_t i = 0; i < std::min(run, acked.size()); ++i) before += acked[i].count;
  return before;
}

flatbuffers::Offset<wire::Commit> commit_data::encode(flatbuffers::FlatBufferBuilder& to,
                                                      producer_id producer, producer_epoch epoch,
                                                      std::uint64_t sequence) const {
  std::vector<flatbuffers::Offset<wire::Append>> list;
  list.reserve(appends.size());
  for (const append& one : appends) {
    const auto topic = to.CreateString(one.topic);
    const auto id = text_of(to, one.message_id);
    const timer_name timer(one.timer);
    const auto owner = text_of(to, timer.owner);
    const auto name = text_of(to, timer.name);
    list.push_back(wire::CreateAppend(to, topic, one.partition.value_or(partition_id()).value(),
                                      one.batch_bytes, !one.partition, one.expected_version, id,
                                      time_of(one.when), delay_of(one.when), count_of(one.ttl), owner, name));
  }
  std::vector<flatbuffers::Offset<wire::TimerChange>> changes;
  changes.reserve(timers.size());
  for (const timer_change& one : timers) {
    const timer_name timer(one.name);
    const auto owner = text_of(to, timer.owner);
    const auto name = to.CreateString(timer.name);
    changes.push_back(
        wire::CreateTimerChange(to, owner, name, time_of(one.move_to), delay_of(one.move_to), one.if_exists));
  }
  std::vector<flatbuffers::Offset<wire::CommitOffsets>> moved;
  moved.reserve(positions.size());
  for (const position& one : positions) moved.push_back(encode_position(to, one));
  std::vector<wire::AckedRun> settled;
  settled.reserve(acked.size());
  for (const acked_run& run : acked) settled.emplace_back(run.consumer, run.lease, run.first, run.count);
  const auto vector_of = [&to](const auto& elements) {
    using vector = decltype(to.CreateVector(elements));
    return elements.empty() ? vector() : to.CreateVector(elements);
  };
  const auto appended = vector_of(list);
  const auto changed = vector_of(changes);
  const auto went_on = vector_of(moved);
  const auto done = settled.empty() ? flatbuffers::Offset<flatbuffers::Vector<const wire::AckedRun*>>()
                                    : to.CreateVectorOfStructs(settled);
  return wire::CreateCommit(to, appended, producer.value(), epoch.value(), sequence, changed, went_on, done);
}

result<committed> decode_committed(const commit_data& of, const incoming_frame& answer,
                                   std::exception_ptr& refused) {
  if (const auto* no = answer.header->body_as_CommitRefused()) {
    const auto code = static_cast<errc>(no->code());
    const std::string why(protocol::text(no->message()));
    const auto part = part_of(no->part());
    const std::size_t index =
        part == commit_refused::part::delivery ? of.first_delivery(no->index()) : no->index();
    refused = std::make_exception_ptr(commit_refused(code, why, part, index, no->version()));
    return failure{code, why};
  }
  const auto* ok = answer.header->body_as_CommitOk();
  if (ok == nullptr) return unexpected_answer("expected CommitOk");
  committed done;
  for (const auto* one : protocol::each(ok->appended()))
    done.appends.push_back({partition_id(one->partition()),
                            offset(static_cast<std::uint64_t>(std::max<std::int64_t>(one->base_offset(), 0))),
                            one->duplicate(), one->version(), one->base_offset() < 0});
  return done;
}

}  // namespace detail

}  // namespace skald
