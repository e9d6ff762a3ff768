#include "client/src/committer.hpp"

#include <algorithm>
#include <utility>

#include "client/src/requests.hpp"

namespace skald::detail {

std::function<void()> committer::submit(std::unique_ptr<commit_data> what, steady_time deadline,
                                        completion<committed> done) {
  auto one = std::make_shared<pending>(pending{std::move(what), deadline, std::move(done)});
  const auto cancel = [weak = weak_from_this(), one = std::weak_ptr(one)] {
    const auto self = weak.lock();
    const auto what_is = one.lock();
    if (self && what_is) self->cancelled(what_is);
  };
  one->done.on_cancel(cancel);
  waiting_.push_back(std::move(one));
  pump();
  return cancel;
}

void committer::pump() {
  if (waiting_.empty()) return;
  if (!identity_) return ask_for_identity();
  while (!waiting_.empty() && unanswered_ < unanswered_max) {
    const shared next = std::move(waiting_.front());
    waiting_.pop_front();
    send(next);
  }
}

void committer::ask_for_identity() {
  if (std::exchange(asking_, true)) return;
  auto& session = connection_->session();
  const auto id = session.next_id();
  auto frame = session.encode(id, [](auto& builder) { return wire::CreateInitProducer(builder); });
  session.submit({id, std::move(frame), "asking for an identity to commit with", on_loss::repeat, true,
                  waiting_.front()->deadline},
                 [self = shared_from_this()](const result<incoming_frame>& answer) {
                   self->asking_ = false;
                   const auto* ok = answer ? answer->header->body_as_InitProducerOk() : nullptr;
                   if (ok != nullptr) {
                     self->identity_ = {producer_id(ok->producer_id()), producer_epoch(ok->epoch()), 0};
                     return self->pump();
                   }
                   const failure why = answer ? unexpected_answer("expected InitProducerOk") : answer.error();
                   for (const shared& one : std::exchange(self->waiting_, {}))
                     if (one->done) one->done.fail(exception_of(why));
                 });
  connection_->kick();
}

void committer::send(const shared& one) {
  auto& session = connection_->session();
  one->id = session.next_id();
  auto payload = std::make_shared<const std::vector<std::byte>>(std::move(one->what->payload));
  std::vector<shared_bytes> pieces;
  if (!payload->empty()) pieces.push_back(std::move(payload));
  auto frame = session.encode(
      one->id,
      [&](flatbuffers::FlatBufferBuilder& builder) {
        return one->what->encode(builder, identity_->id, identity_->epoch, next_sequence_);
      },
      std::move(pieces));
  ++next_sequence_;
  ++unanswered_;
  session.submit({one->id, std::move(frame), "committing", on_loss::repeat, true, one->deadline},
                 [self = shared_from_this(), one](const result<incoming_frame>& answer) {
                   self->answered(one, answer);
                 });
  connection_->kick();
}

void committer::answered(const shared& one, const result<incoming_frame>& answer) {
  --unanswered_;
  if (one->done) {
    std::exception_ptr refused;
    const auto outcome = answer ? decode_committed(*answer, refused) : result<committed>(answer.error());
    if (outcome)
      one->done.succeed(*outcome);
    else
      one->done.fail(refused ? refused : exception_of(outcome.error()));
  }
  pump();
}

void committer::cancelled(const shared& one) {
  if (one->id != 0) {
    connection_->session().forget(one->id);
    --unanswered_;
  }
  std::erase(waiting_, one);
  if (one->done) one->done.fail(exception_of({errc::cancelled, "the commit was cancelled"}));
  pump();
}

}  // namespace skald::detail
