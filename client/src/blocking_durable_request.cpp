#include <skald/blocking_durable_request.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/src/durable_steps.hpp"

namespace skald {

using detail::durable_steps;

// ---- the caller ------------------------------------------------------------------------------------------

blocking_durable_service::blocking_durable_service(blocking_client& broker, std::string_view name)
    : broker_(&broker),
      requests_(durable_steps::requests_topic(name)),
      replies_(durable_steps::replies_topic(name)) {}

void blocking_durable_service::create(durable_settings with) {
  broker_->create_topic(requests_, durable_steps::settings_of(with, topic_index::none),
                        {.if_absent = true, .timeout = with.timeout});
  broker_->create_topic(replies_, durable_steps::settings_of(with, topic_index::key),
                        {.if_absent = true, .timeout = with.timeout});
  broker_->create_queue(requests_, durable_steps::queue,
                        {.lease = with.lease, .max_attempts = with.max_attempts},
                        {.if_absent = true, .timeout = with.timeout});
}

std::optional<durable_reply> blocking_durable_service::find(std::string_view id, call_options options) {
  try {
    return durable_steps::find(
        broker_->read_key(replies_, id, {.latest = true, .timeout = options.timeout}).records, id);
  } catch (const error& why) {
    if (why.code() != errc::unknown_key) throw;
    return std::nullopt;
  }
}

bool blocking_durable_service::send(std::string_view id, std::string_view body, ask_options options) {
  const durable_steps::request what(id, body, options);
  return !broker_->commit(what.to(requests_), {.timeout = options.timeout}).appends.front().duplicate;
}

durable_reply blocking_durable_service::ask(std::string_view id, std::string_view body, ask_options options) {
  const auto began = std::chrono::steady_clock::now();
  const auto left = [&]() -> timeout {
    if (!options.timeout) return {};
    const auto spent = std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - began);
    return std::max(*options.timeout - spent, milliseconds(0));
  };
  if (auto stored = find(id, {.timeout = left()})) return *std::move(stored);
  const durable_steps::request what(id, body, options);
  const committed made = broker_->commit(what.to(requests_), {.timeout = left()});
  // Equal keys are in equal partitions. What was replied before the subscription began is stored.
  const partition_id partitions[] = {made.appends.front().partition};
  blocking_subscription coming = broker_->subscribe(
      replies_, {.from = latest, .partitions = partitions, .filter = {.key = id}, .timeout = left()});
  std::optional<durable_reply> reply = find(id, {.timeout = left()});
  while (!reply) {
    const timeout patience = left();
    const std::optional<records> some = patience ? coming.receive_for(*patience) : coming.receive();
    if (!some)
      throw error(errc::deadline_exceeded, "no reply to request \"" + std::string(id) +
                                               "\" in time; it is stored, so ask again with the same id");
    reply = durable_steps::find(*some, id);
  }
  return *std::move(reply);
}

blocking_durable_responder blocking_durable_service::serve(std::uint32_t prefetch, call_options options) {
  return {*broker_,
          broker_->open_queue(requests_, durable_steps::queue,
                              {.prefetch = prefetch, .timeout = options.timeout}),
          replies_};
}

// ---- the responder ---------------------------------------------------------------------------------------

commit blocking_durable_responder::traced_effect(const durable_request& of) {
  return durable_steps::effect_of(of);
}

durable_request blocking_durable_responder::next() {
  delivery lease = std::move(held_.back());
  held_.pop_back();
  return durable_steps::as_request(std::move(lease));
}

durable_request blocking_durable_responder::receive() {
  while (held_.empty()) {
    held_ = requests_.receive();
    std::ranges::reverse(held_);
  }
  return next();
}

std::optional<durable_request> blocking_durable_responder::receive_for(milliseconds patience) {
  if (held_.empty()) {
    auto some = requests_.receive_for(patience);
    if (!some || some->empty()) return std::nullopt;
    held_ = *std::move(some);
    std::ranges::reverse(held_);
  }
  return next();
}

bool blocking_durable_responder::answer(const durable_request& to, durable_answer with, commit&& effect) {
  const std::size_t reply = durable_steps::add_answer(effect, to, with, replies_);
  try {
    broker_->commit(std::move(effect));
    return true;
  } catch (const commit_refused& why) {
    switch (durable_steps::judge(why, reply)) {
      case durable_steps::refusal::theirs:
        throw;
      case durable_steps::refusal::answered:
        requests_.ack(durable_steps::lease_of(to));
        break;
      case durable_steps::refusal::lost:
        break;
    }
  }
  return false;
}

void blocking_durable_responder::retry(const durable_request& what, std::string_view reason) {
  requests_.nack(durable_steps::lease_of(what), {}, reason);
}

}  // namespace skald
