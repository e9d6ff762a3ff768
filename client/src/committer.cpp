#include "client/src/committer.hpp"

#include <algorithm>
#include <utility>

#include "client/src/requests.hpp"
#include "client/src/subscriber.hpp"

namespace skald::detail {

std::function<void()> committer::submit(std::unique_ptr<commit_data> what, steady_time deadline,
                                        completion<committed> done) {
  if (const auto fits = what->resolve(*connection_); !fits) {
    done.fail(exception_of(fits.error()));
    return [] {};
  }
  auto one = std::make_shared<pending>(pending{std::move(what), deadline, std::move(done)});
  auto cancel = [weak = weak_from_this(), one = std::weak_ptr(one)] {
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
  while (!waiting_.empty() && may_send_next()) {
    const shared next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(next);
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

void committer::begin(const shared& one) {
  one->sequence = next_sequence_++;
  one->payload = std::make_shared<const std::vector<std::byte>>(std::move(one->what->payload));
  unanswered_.insert(one->sequence);
  send(one);
}

// Whether all subscribers whose positions it has are members at the moment; otherwise it waits for them.
// `for_good`: they will not be others any more.
bool committer::has_members(const shared& one, bool& for_good) {
  for (commit_data::position& at : one->what->positions) {
    const auto by = at.by.lock();
    if (!by || by->is_over()) continue;
    for_good = false;
    if (by->is_present(at.as)) continue;
    wait_for_members(one, *by);
    return false;
  }
  return true;
}

void committer::wait_for_members(const shared& one, subscriber& absent) {
  if (one->give_up == 0)
    one->give_up = connection_->session().give_up_at(
        one->deadline, "committing", on_loss::repeat,
        [self = shared_from_this(), one](const result<incoming_frame>& answer) {
          one->give_up = 0;
          self->answered(one, answer);
        });
  absent.when_present([weak = weak_from_this(), waits = std::weak_ptr(one)] {
    const auto self = weak.lock();
    const auto again = waits.lock();
    if (self && again && again->done && again->id == 0) self->send(again);
  });
  connection_->kick();
}

void committer::send(const shared& one) {
  bool for_good = true;
  if (!has_members(one, for_good)) return;
  for (const commit_data::position& at : one->what->positions)
    if (at.as.group.empty())
      return answered(one, failure{errc::closed,
                                   "the subscription that has received an input of a commit was "
                                   "closed before it could be sent"});
  auto& session = connection_->session();
  session.forget(std::exchange(one->give_up, 0));
  one->id = session.next_id();
  std::vector<shared_bytes> pieces;
  if (!one->payload->empty()) pieces.push_back(one->payload);
  auto frame = session.encode(
      one->id,
      [&](flatbuffers::FlatBufferBuilder& builder) {
        return one->what->encode(builder, identity_->id, identity_->epoch, one->sequence);
      },
      std::move(pieces));
  const auto lost = for_good ? on_loss::repeat : on_loss::fail;
  session.submit({one->id, std::move(frame), "committing", lost, for_good, one->deadline},
                 [self = shared_from_this(), one, for_good](const result<incoming_frame>& answer) {
                   one->id = 0;
                   const bool again = !for_good && !answer && answer.error().code == errc::connection_lost;
                   if (again && one->done) return self->send(one);
                   self->answered(one, answer);
                 });
  connection_->kick();
}

void committer::answered(const shared& one, const result<incoming_frame>& answer) {
  std::exception_ptr refused;
  const auto outcome =
      answer ? decode_committed(*one->what, *answer, refused) : result<committed>(answer.error());
  unanswered_.erase(one->sequence);
  if (outcome)
    for (const commit_data::position& at : one->what->positions)
      if (const auto by = at.by.lock()) by->acknowledged({at.of, at.next});
  if (one->done) {
    if (outcome)
      one->done.succeed(*outcome);
    else
      one->done.fail(refused ? refused : exception_of(outcome.error()));
  }
  pump();
}

void committer::cancelled(const shared& one) {
  if (one->sequence != 0 && one->done) {
    connection_->session().forget(std::exchange(one->id, 0));
    connection_->session().forget(std::exchange(one->give_up, 0));
    unanswered_.erase(one->sequence);
  }
  std::erase(waiting_, one);
  if (one->done) one->done.fail(exception_of({errc::cancelled, "the commit was cancelled"}));
  pump();
}

}  // namespace skald::detail
