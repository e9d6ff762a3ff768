// producer_core, second half: sealed batches on their way to the broker.
#include "client/src/producer_core.hpp"

#include <algorithm>

#include "client/src/producer_stream.hpp"
#include "client/src/stamp.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

namespace {

using std::chrono::milliseconds;

// Frames are kept this small so that answers come while more is being sent.
constexpr std::size_t publish_frame_bytes = 256u << 10;
constexpr milliseconds backoff_min{20};
constexpr milliseconds backoff_max{1'000};

milliseconds backoff(unsigned refusals) {
  return std::min(backoff_min * (1u << std::min(refusals, 10u)), backoff_max);
}

// Refusals that pass by themselves.
bool may_pass(errc code) {
  return code == errc::storage_full || code == errc::overloaded || code == errc::shutting_down ||
         code == errc::connection_lost;
}

failure in_doubt(const failure& why) {
  return {why.code, why.message + "; records not yet acknowledged may be stored or not"};
}

std::string place(const partition_stream& of) {
  return "\"" + of.topic->name + "\" partition " + std::to_string(of.id.value());
}

}  // namespace

// ---- events ----------------------------------------------------------------------------------------------

void producer_core::connected(std::uint32_t frame_bytes_max) {
  connected_ = true;
  frame_bytes_max_ = std::max<std::size_t>(frame_bytes_max, 2 * frame_reserve_bytes);
  for (const auto& [name, topic] : topics_) limit_batches(*topic);
  all_touched_ = true;
  wants_poll_ = true;
}

void producer_core::disconnected() {
  connected_ = false;
  tickets_.clear();
  for (auto* stream : active_) {
    while (!stream->in_flight.empty()) {
      const batch_ptr batch = stream->in_flight.back();
      leave_flight(batch);
      batch->in_doubt = !stream->cannot_be_stored(*batch);
      requeue(batch);
    }
    end_recovery(*stream);
  }
  all_touched_ = true;
  wants_poll_ = true;
}

void producer_core::initialised(const result<producer_identity>& identity, steady_time now) {
  identity_asked_ = false;
  all_touched_ = true;
  wants_poll_ = true;
  if (identity) {
    identity_ = *identity;
    identity_wanted_ = false;
    return;
  }
  if (!name_.empty() && identity.error().code == errc::fenced_producer) {
    fenced_ = identity.error();
    return abandon(*fenced_);  // nothing is in doubt when the next epoch is asked for
  }
  identity_trouble_ = identity.error();
  identity_not_before_ = now + backoff_max;
}

void producer_core::described(const std::string& name, const result<topic_facts>& facts, steady_time now) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) return;
  auto& topic = *found->second;
  topic.asked = false;
  wants_poll_ = true;
  if (facts) {
    topic.facts = *facts;
    topic.trouble.clear();
    limit_batches(topic);
    release_held(topic, now);
  } else if (may_pass(facts.error().code)) {
    topic.trouble = facts.error().message;
    topic.ask_not_before = now + backoff_max;
  } else {
    fail_held(topic, facts.error());
  }
}

void producer_core::answered(std::uint64_t ticket, const std::vector<append_outcome>& outcomes,
                             skald::durability achieved, steady_time now) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  const auto batches = std::move(found->second);
  tickets_.erase(found);
  const append_outcome missing{
      errc::protocol_error, "the broker answered for fewer batches than were sent", {}, 0};
  for (std::size_t i = 0; i < batches.size(); ++i)
    outcome_of(batches[i], i < outcomes.size() ? outcomes[i] : missing, achieved, now);
  if (fenced_) abandon(in_doubt(*fenced_));
  wants_poll_ = true;
}

void producer_core::refused(std::uint64_t ticket, const failure& why, steady_time now) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  answered(ticket, std::vector<append_outcome>(found->second.size(), {why.code, why.message, {}, 0}), {},
           now);
}

void producer_core::outcome_of(const batch_ptr& batch, const append_outcome& outcome,
                               skald::durability achieved, steady_time now) {
  if (batch->settled) return;  // given up before
  auto& stream = *batch->home;
  auto& topic = *stream.topic;
  touch(stream);
  leave_flight(batch);
  if (outcome.code == errc::fenced_producer && !name_.empty()) return be_fenced(batch, outcome);
  // A refusal that may pass says nothing about an earlier attempt whose answer was lost.
  if (!may_pass(outcome.code)) batch->in_doubt = false;
  if (topic.facts && outcome.partitions > topic.facts->partitions)
    topic.facts->partitions = outcome.partitions;

  const bool follows_refused = stream.follows_refused(*batch);
  if (outcome.code == errc::ok) {
    take_stored(stream, *batch);
    stream.refusals = 0;
    settle(batch, published{stream.id, outcome.base_offset, achieved});
  } else if (outcome.code == errc::out_of_order_sequence && follows_refused) {
    requeue(batch);
  } else {
    if (!follows_refused) {
      stream.refused_ordinal = batch->ordinal;
      stream.refused_surely = !batch->in_doubt;
    }
    stream.recovering = true;
    const bool out_of_order = outcome.code == errc::out_of_order_sequence;
    if (out_of_order || outcome.code == errc::fenced_producer) stream.identity_lost = true;
    if (out_of_order || may_pass(outcome.code)) {
      batch->trouble = outcome.message;
      stream.not_before = now + backoff(stream.refusals++);
      requeue(batch);
    } else {
      // It may be another topic by that name now: ask before more is sent there.
      if (outcome.code == errc::unknown_topic || outcome.code == errc::unknown_partition) topic.facts.reset();
      settle(batch, failure{outcome.code, outcome.message});
    }
  }
  if (stream.in_flight.empty()) end_recovery(stream);
}

// The others are abandoned when all outcomes of the frame have been heard.
void producer_core::be_fenced(const batch_ptr& batch, const append_outcome& outcome) {
  fenced_ = failure{outcome.code, outcome.message};
  settle(batch, batch->in_doubt ? in_doubt(*fenced_) : *fenced_);
}

void producer_core::take_stored(partition_stream& in, const sealed_batch& batch) {
  if (batch.ordinal < in.settled_ordinal) return;  // a later one is already known to be stored
  in.settled_ordinal = batch.ordinal;
  in.established = true;
  in.settled_sequence = protocol::sequence_after(batch.stamped->base_sequence, batch.records);
}

void producer_core::leave_flight(const batch_ptr& batch) {
  if (!std::exchange(batch->in_flight, false)) return;
  in_flight_bytes_ -= batch->bytes->size();
  std::erase(batch->home->in_flight, batch);
}

void producer_core::end_recovery(partition_stream& of) {
  of.recovering = false;
  of.next_sequence = of.settled_sequence;
}

void producer_core::requeue(const batch_ptr& batch) {
  auto& waiting = batch->home->waiting;
  const auto behind =
      std::ranges::find_if(waiting, [&](const batch_ptr& other) { return other->ordinal > batch->ordinal; });
  waiting.insert(behind, batch);
}

void producer_core::abandon(const failure& why) {
  tickets_.clear();
  for (auto* stream : active_) {
    if (!stream->open.builder.empty()) seal(*stream);
    while (!stream->in_flight.empty()) {
      const batch_ptr batch = stream->in_flight.front();
      leave_flight(batch);
      settle(batch, why);
    }
    for (const auto& batch : std::exchange(stream->waiting, {})) settle(batch, why);
  }
  for (const auto& [name, topic] : topics_) fail_held(*topic, why);
  all_touched_ = true;
  wants_poll_ = true;
}

// ---- sending ---------------------------------------------------------------------------------------------

bool producer_core::open_is_due(const partition_stream& of, steady_time now) const {
  if (of.open.builder.empty()) return false;
  if (options_.linger.count() == 0) return of.in_flight.empty();
  return now >= of.open.opened + options_.linger || of.open.generation <= flush_up_to_;
}

bool producer_core::give_identity(partition_stream& to) {
  if (!name_.empty()) return give_epoch(to);
  if (to.identity && !to.identity_lost) return true;
  if (!to.in_flight.empty()) return false;
  if (!identity_ || identity_ == to.identity) {
    identity_wanted_ = true;
    return false;
  }
  to.identity = identity_;
  to.identity_lost = to.established = false;
  to.next_sequence = to.settled_sequence = 0;
  return true;
}

bool producer_core::give_epoch(partition_stream& to) {
  // What is in doubt goes under its old number, whatever comes next.
  if (!to.waiting.empty() && to.waiting.front()->in_doubt) return true;
  if (identity_ && identity_ == to.identity && !to.identity_lost) return true;
  if (!identity_ || identity_ == to.identity) {
    identity_wanted_ = true;
    return false;
  }
  if (!to.in_flight.empty()) return false;
  to.identity = identity_;
  to.identity_lost = to.established = false;
  to.next_sequence = to.settled_sequence = 0;
  return true;
}

bool producer_core::is_quiet() const {
  return std::ranges::none_of(active_, [](const partition_stream* stream) {
    return !stream->in_flight.empty() ||
           std::ranges::any_of(stream->waiting, [](const batch_ptr& one) { return one->in_doubt; });
  });
}

bool producer_core::may_send(partition_stream& from, steady_time now) {
  if (now < from.not_before || from.in_flight.size() >= protocol::remembered_batches) return false;
  if (from.recovering && !from.in_flight.empty()) return false;
  // To a broker that does not know the producer yet, any number is the first: were the first batch refused
  // before it gets that far, the second would take its place.
  if (!from.established && !from.in_flight.empty()) return false;
  if (from.waiting.empty() && !open_is_due(from, now)) return false;
  // Nothing new goes behind a batch in doubt until that is settled: the broker recognises only the last few.
  const bool is_new = from.waiting.empty() || !from.waiting.front()->in_doubt;
  const auto doubtful = [](const batch_ptr& one) { return one->in_doubt; };
  if (is_new && std::ranges::any_of(from.in_flight, doubtful)) return false;
  if (is_renewing() && (is_new || identity_asked_)) return false;
  return give_identity(from);
}

void producer_core::number(partition_stream& in, sealed_batch& batch) {
  if (!batch.in_doubt) {
    const protocol::producer_stamp wanted{in.identity->first, in.identity->second, in.next_sequence};
    if (batch.stamped != wanted) {
      // A write that was cut off may still refer to the old bytes.
      if (batch.bytes.use_count() > 1) batch.bytes = std::make_shared<std::vector<std::byte>>(*batch.bytes);
      stamp(*batch.bytes, wanted);
      batch.stamped = wanted;
    }
  }
  // A batch in doubt may be sent again after a later one is known to be stored: that one counts.
  if (batch.ordinal > in.settled_ordinal)
    in.next_sequence = protocol::sequence_after(batch.stamped->base_sequence, batch.records);
}

void producer_core::gather(producer_effects& effects, steady_time now) {
  std::size_t frame_bytes = 0;
  const std::size_t frame_bytes_limit = std::min(publish_frame_bytes, frame_bytes_max_ - frame_reserve_bytes);
  bool window_full = false;
  while (!ready_.empty()) {
    auto& stream = *ready_.front();
    while (may_send(stream, now)) {
      const auto expected =
          stream.waiting.empty() ? stream.open.builder.bytes() : stream.waiting.front()->bytes->size();
      window_full = in_flight_bytes_ > 0 && in_flight_bytes_ + expected > options_.in_flight_bytes_max;
      if (window_full) break;
      if (stream.waiting.empty()) seal(stream);
      const batch_ptr batch = stream.waiting.front();
      stream.waiting.pop_front();
      number(stream, *batch);
      if (std::exchange(batch->sent_before, true)) ++statistics_.resent_batches;
      batch->in_flight = true;
      stream.in_flight.push_back(batch);
      const auto bytes = batch->bytes->size();
      in_flight_bytes_ += bytes;

      const bool begin_frame = effects.publish.empty() || frame_bytes + bytes > frame_bytes_limit ||
                               effects.publish.back().appends.size() == protocol::appends_max;
      if (begin_frame) {
        effects.publish.push_back({++last_ticket_, {}});
        frame_bytes = 0;
      }
      frame_bytes += bytes;
      effects.publish.back().appends.push_back({stream.topic->name, stream.id, batch->bytes});
      tickets_[last_ticket_].push_back(batch);
    }
    if (window_full) break;  // it is served first when there is room
    stream.ready = false;
    ready_.pop_front();
  }
}

void producer_core::ask(producer_effects& effects, steady_time now) {
  const bool may_ask = needs_identity() && now >= identity_not_before_ && (!is_renewing() || is_quiet());
  if (may_ask) {
    effects.initialise = identity_asked_ = true;
    if (!name_.empty()) effects.renews = identity_;
  }
  for (const auto& [name, topic] : topics_) {
    if (topic->held.empty() || topic->asked || now < topic->ask_not_before) continue;
    topic->asked = true;
    effects.describe.push_back(name);
  }
}

// ---- giving up -------------------------------------------------------------------------------------------

void producer_core::give_up(const batch_ptr& batch) {
  auto& stream = *batch->home;
  std::string text = std::to_string(batch->records) + " records for topic " + place(stream) +
                     " were not acknowledged in time";
  const bool unknown = (batch->in_flight && !stream.cannot_be_stored(*batch)) || batch->in_doubt;
  if (unknown) {
    text += "; they may be stored or not";
    // If it is not, the next batch is found out of order, and the stream goes on under a new identity.
    take_stored(stream, *batch);
  }
  if (!batch->trouble.empty())
    text += "; last refusal: " + batch->trouble;
  else if (!identity_ && !identity_trouble_.message.empty())
    text += "; the broker gives no producer identity: " + identity_trouble_.message;
  else if (!connected_)
    text += "; there is no connection";
  leave_flight(batch);
  settle(batch, failure{errc::deadline_exceeded, std::move(text)});
}

void producer_core::expire(partition_stream& in, steady_time now) {
  while (!in.in_flight.empty() && in.in_flight.front()->expires <= now) {
    const batch_ptr batch = in.in_flight.front();
    give_up(batch);
  }
  if (in.waiting.empty() && !in.open.builder.empty() && in.open.expires <= now) seal(in);
  while (!in.waiting.empty() && in.waiting.front()->expires <= now) {
    const batch_ptr batch = in.waiting.front();
    in.waiting.pop_front();
    give_up(batch);
  }
  if (in.in_flight.empty()) end_recovery(in);
}

producer_effects producer_core::poll(steady_time now) {
  producer_effects effects;
  wants_poll_ = false;
  if (all_touched_ || now >= look_again_) look_at_all();
  for (auto* stream : touched_) expire(*stream, now);
  for (const auto& [name, topic] : topics_)
    while (!topic->held.empty() && topic->held.front().expires <= now)
      fail_front(*topic,
                 {errc::deadline_exceeded, "a record for topic \"" + name +
                                               "\" was not sent in time: the topic could not be described" +
                                               (topic->trouble.empty() ? "" : ": " + topic->trouble)});
  if (connected_) {
    gather(effects, now);
    ask(effects, now);
  }
  for (auto* stream : touched_) {
    stream->touched = false;
    stream->idle() ? deactivate(*stream) : look_again(*stream, now);
  }
  touched_.clear();
  plan_wake(effects, now);
  effects.settled = std::exchange(settled_, {});
  statistics_.buffered_bytes = buffered_bytes_;
  wants_poll_ = false;
  return effects;
}

void producer_core::look_at_all() {
  all_touched_ = false;
  look_again_ = steady_time::max();
  for (auto* stream : active_) touch(*stream);
}

void producer_core::look_again(const partition_stream& at, steady_time now) {
  // What is due and still here waits for something else than time.
  const auto then = [&](steady_time when) {
    if (when > now) look_again_ = std::min(look_again_, when);
  };
  if (!at.in_flight.empty()) then(at.in_flight.front()->expires);
  if (!at.waiting.empty()) {
    then(at.waiting.front()->expires);
    if (at.in_flight.empty() && connected_) then(at.not_before);
  }
  if (!at.open.builder.empty()) {
    then(at.open.expires);
    if (options_.linger.count() > 0 && connected_) then(at.open.opened + options_.linger);
  }
}

void producer_core::plan_wake(producer_effects& effects, steady_time now) const {
  const auto at = [&](steady_time when) {
    if (when <= now || when == steady_time::max()) return;
    if (!effects.wake_at || when < *effects.wake_at) effects.wake_at = when;
  };
  at(look_again_);
  for (const auto& [name, topic] : topics_) {
    if (topic->held.empty()) continue;
    at(topic->held.front().expires);
    if (connected_ && !topic->asked) at(topic->ask_not_before);
  }
  if (connected_ && needs_identity()) at(identity_not_before_);
}

}  // namespace skald::detail
