// What a subscriber does as a member of a consumer group.
#include <utility>

#include <skald/protocol/error.hpp>
#include "client/src/requests.hpp"
#include "client/src/subscriber.hpp"
#include "client/src/subscription_codec.hpp"

namespace skald::detail {

void subscriber::on_joined(const wire::SubscribeOk& ok) {
  member_ = ok.member();
  epoch_ = ok.epoch();
  heartbeat_ = milliseconds(ok.heartbeat_ms());
  committing_ = false;
  positions_.attached();
  keep_alive();
}

void subscriber::on_assignment(const wire::SubscriptionChanged& changed) {
  for (const auto& of : decode_places(changed.left())) positions_.lost(of);
  for (const auto& of : decode_places(changed.revoked())) positions_.revoked(of);
  for (const auto& at : decode_offsets(changed.joined())) positions_.assigned(at);
  group_step();
}

void subscriber::keep_alive() {
  if (heartbeat_ == milliseconds(0)) return;
  heartbeat_timer_.expires_after(heartbeat_);
  heartbeat_timer_.async_wait([weak = weak_from_this(),
                               attempt = attempt_](const boost::system::error_code& code) {
    const auto self = weak.lock();
    if (code || !self || attempt != self->attempt_ || self->id_ == 0) return;
    auto& session = self->connection_->session();
    session.send(session.encode(
        session.next_id(), [&](auto& builder) { return wire::CreateMemberHeartbeat(builder, self->id_); }));
    self->connection_->kick();
    self->keep_alive();
  });
}

shared_frame subscriber::encode_commit(std::uint64_t request_id,
                                       const std::vector<placed_offset>& positions) {
  return connection_->session().encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    const auto group = builder.CreateString(group_);
    std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
    offsets.reserve(positions.size());
    for (const auto& one : positions)
      offsets.push_back(wire::CreatePartitionOffset(builder, one.of.partition.value(), one.offset.value(),
                                                    one.of.topic.value()));
    return wire::CreateCommitOffsets(builder, group, member_, epoch_, builder.CreateVector(offsets));
  });
}

// The program asks for more: what it was given before is done.
void subscriber::commit_processed() {
  if (!core_.is_member() || commit_mode_ == commit_mode::manual) return;
  positions_.processed_all();
  group_step();
}

// One commit is under way at a time; what is processed meanwhile goes with the next.
void subscriber::group_step() {
  if (id_ == 0 || !core_.is_attached()) return;
  auto& session = connection_->session();
  if (!committing_) {
    if (auto positions = positions_.begin_commit(); !positions.empty()) {
      committing_ = true;
      const auto id = session.next_id();
      auto frame = encode_commit(id, positions);
      session.submit({id, std::move(frame), "committing positions", on_loss::fail, false, {}},
                     [weak = weak_from_this(), attempt = attempt_,
                      positions = std::move(positions)](const result<incoming_frame>& answer) {
                       const auto self = weak.lock();
                       if (!self || attempt != self->attempt_) return;
                       self->committing_ = false;
                       // What failed goes with the next commit, unless the partition is lost by then.
                       if (!answer) return self->positions_.commit_failed(positions);
                       self->positions_.committed(positions);
                       self->group_step();
                     });
    }
  }
  if (const auto released = positions_.take_releasable(); !released.empty()) {
    session.send(session.encode(session.next_id(), [&](flatbuffers::FlatBufferBuilder& builder) {
      std::vector<wire::TopicPartition> places;
      places.reserve(released.size());
      for (const auto& of : released) places.emplace_back(of.topic.value(), of.partition.value());
      return wire::CreateReleasePartitions(builder, id_, builder.CreateVectorOfStructs(places));
    }));
  }
  connection_->kick();
}

void subscriber::commit(const result<topic_partition>& of, offset next, steady_time deadline,
                        completion<> done) {
  if (!core_.is_member())
    return done.fail(
        exception_of({errc::invalid_request,
                      "commit() is for members of a consumer group; see subscribe_options::group"}));
  if (closed_) return done.fail(exception_of({errc::closed, "the subscription is closed"}));
  if (!of) return done.fail(exception_of(of.error()));
  auto& session = connection_->session();
  const std::vector<placed_offset> positions{{*of, next}};
  const auto id = session.next_id();
  auto shared = std::make_shared<completion<>>(std::move(done));
  shared->on_cancel([weak = weak_from_this(), shared, id] {
    if (const auto self = weak.lock()) self->connection_->session().forget(id);
    if (*shared) shared->fail(exception_of({errc::cancelled, "commit() was cancelled"}));
  });
  positions_.sent(positions.front());
  if (!core_.is_attached()) {
    // With the old epoch it would be refused; it goes with the first commit of the new connection.
    positions_.commit_failed(positions);
    return shared->fail(exception_of({errc::connection_lost, "no connection to commit a position over"}));
  }
  session.submit({id, encode_commit(id, positions), "committing a position", on_loss::fail, false, deadline},
                 [weak = weak_from_this(), shared, positions](const result<incoming_frame>& answer) {
                   if (const auto self = weak.lock()) {
                     answer ? self->positions_.committed(positions)
                            : self->positions_.commit_failed(positions);
                   }
                   if (!*shared) return;
                   answer ? shared->succeed() : shared->fail(exception_of(answer.error()));
                 });
  group_step();
}

// ---- inputs of units of work -----------------------------------------------------------------------------

result<topic_partition> subscriber::input_place(std::string_view topic, partition_id partition) const {
  if (!core_.is_member() || commit_mode_ != commit_mode::manual)
    return failure{
        errc::invalid_request,
        "a unit of work acknowledges what a member of a consumer group has received that commits by "
        "hand; see subscribe_options::group and commit_mode::manual"};
  return core_.place(topic, partition);
}

bool subscriber::is_present(membership& as) const {
  if (!connection_->session().ready() || !core_.is_attached()) return false;
  as = {group_, member_, epoch_};
  return true;
}

void subscriber::tell_present() {
  for (const auto& then : std::exchange(awaiting_, {})) then();
}

void subscriber::acknowledged(const placed_offset& at) {
  positions_.acknowledged(at);
  group_step();
}

void subscriber::leave(steady_time deadline, completion<> done) {
  if (closed_) return done.fail(exception_of({errc::closed, "the subscription is closed"}));
  if (commit_mode_ == commit_mode::automatic) positions_.processed_all();
  auto& session = connection_->session();
  const auto subscription = id_;
  const auto positions = positions_.begin_commit();
  auto shared = std::make_shared<completion<>>(std::move(done));
  auto trouble = std::make_shared<std::optional<failure>>();
  const auto keep_trouble = [trouble](const result<incoming_frame>& answer) {
    if (!answer && !*trouble) *trouble = answer.error();
  };
  if (!positions.empty()) {
    const auto id = session.next_id();
    session.submit({id, encode_commit(id, positions), "committing positions", on_loss::fail, false, deadline},
                   keep_trouble);
  }
  id_ = 0;  // what is left is said here
  if (subscription == 0) {
    *trouble = failure{errc::connection_lost, "there is no connection to leave the group over"};
    shared->fail(exception_of(**trouble));
  } else {
    const auto id = session.next_id();
    auto frame =
        session.encode(id, [&](auto& builder) { return wire::CreateUnsubscribe(builder, subscription); });
    session.submit({id, std::move(frame), "leaving", on_loss::fail, false, deadline},
                   [shared, trouble, keep_trouble](const result<incoming_frame>& answer) {
                     keep_trouble(answer);
                     *trouble ? shared->fail(exception_of(**trouble)) : shared->succeed();
                   });
    connection_->route(subscription, {});
    connection_->kick();
  }
  abandon();
}

}  // namespace skald::detail
