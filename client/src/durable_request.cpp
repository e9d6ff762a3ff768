#include <skald/durable_request.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <skald/client.hpp>
#include "client/src/durable_steps.hpp"

namespace skald {

using detail::durable_steps;

template <class Result>
using awaitable = boost::asio::awaitable<Result>;

namespace {

// Those that take strings by reference are awaited by coroutines that own them; the others own theirs.

awaitable<void> create_all(client& broker, std::string requests, std::string replies, durable_settings with) {
  const topic_settings of_requests = durable_steps::settings_of(with, topic_index::none);
  const topic_settings of_replies = durable_steps::settings_of(with, topic_index::key);
  co_await broker.create_topic(requests, of_requests, {.if_absent = true, .timeout = with.timeout});
  co_await broker.create_topic(replies, of_replies, {.if_absent = true, .timeout = with.timeout});
  const queue_settings of_queue{.lease = with.lease, .max_attempts = with.max_attempts};
  co_await broker.create_queue(requests, durable_steps::queue, of_queue,
                               {.if_absent = true, .timeout = with.timeout});
}

awaitable<std::optional<durable_reply>> find_reply(client& broker, const std::string& replies,
                                                   const std::string& id, call_options options) {
  try {
    const key_records found =
        co_await broker.read_key(replies, id, {.latest = true, .timeout = options.timeout});
    co_return durable_steps::find(found.records, id);
  } catch (const error& why) {
    if (why.code() != errc::unknown_key) throw;
  }
  co_return std::nullopt;
}

// Where it is stored, and whether it was there already.
awaitable<committed::append> store_request(client& broker, const std::string& requests,
                                           const durable_steps::request& what, call_options options) {
  commit effect = what.to(requests);
  const committed done = co_await broker.commit(std::move(effect), options);
  co_return done.appends.front();
}

awaitable<bool> store_new_request(client& broker, std::string requests, durable_steps::request what,
                                  call_options options) {
  const committed::append stored = co_await store_request(broker, requests, what, options);
  co_return !stored.duplicate;
}

awaitable<std::optional<durable_reply>> find_stored_reply(client& broker, std::string replies, std::string id,
                                                          call_options options) {
  std::optional<durable_reply> found = co_await find_reply(broker, replies, id, options);
  co_return found;
}

// What is left of the time that a call may take.
class time_left {
 public:
  explicit time_left(timeout limit) {
    if (limit) until_ = std::chrono::steady_clock::now() + *limit;
  }
  call_options operator()() const {
    if (!until_) return {};
    const auto left = std::chrono::ceil<milliseconds>(*until_ - std::chrono::steady_clock::now());
    return {.timeout = std::max(left, milliseconds(0))};
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> until_;
};

awaitable<durable_reply> ask_until(client& broker, std::string requests, std::string replies,
                                   durable_steps::request what, timeout limit) {
  const time_left left(limit);
  const std::string& id = what.id;
  std::optional<durable_reply> reply = co_await find_reply(broker, replies, id, left());
  if (reply) co_return *std::move(reply);
  const committed::append stored = co_await store_request(broker, requests, what, left());
  // Equal keys are in equal partitions. What was replied before the subscription began is stored.
  const partition_id partitions[] = {stored.partition};
  const record_filter only_this{.key = id};
  subscription coming = co_await broker.subscribe(
      replies, {.from = latest, .partitions = partitions, .filter = only_this, .timeout = left().timeout});
  reply = co_await find_reply(broker, replies, id, left());
  while (!reply) {
    const records some = co_await coming.receive(left());
    reply = durable_steps::find(some, id);
  }
  co_return *std::move(reply);
}

}  // namespace

// ---- the caller ------------------------------------------------------------------------------------------

durable_service::durable_service(client& broker, std::string_view name)
    : broker_(&broker),
      requests_(durable_steps::requests_topic(name)),
      replies_(durable_steps::replies_topic(name)) {}

awaitable<void> durable_service::create(durable_settings settings) {
  return create_all(*broker_, requests_, replies_, settings);
}

awaitable<durable_reply> durable_service::ask(std::string_view id, std::string_view body,
                                              ask_options options) {
  return ask_until(*broker_, requests_, replies_, durable_steps::request(id, body, options), options.timeout);
}

awaitable<bool> durable_service::send(std::string_view id, std::string_view body, ask_options options) {
  return store_new_request(*broker_, requests_, durable_steps::request(id, body, options),
                           {.timeout = options.timeout});
}

awaitable<std::optional<durable_reply>> durable_service::find(std::string_view id, call_options options) {
  return find_stored_reply(*broker_, replies_, std::string(id), options);
}

awaitable<durable_responder> durable_service::serve(std::uint32_t prefetch, call_options options) {
  client& broker = *broker_;
  std::string replies = replies_;
  const std::string requests = requests_;
  work_queue opened = co_await broker.open_queue(requests, durable_steps::queue,
                                                 {.prefetch = prefetch, .timeout = options.timeout});
  co_return durable_responder(broker, std::move(opened), std::move(replies));
}

// ---- the responder ---------------------------------------------------------------------------------------

awaitable<durable_request> durable_responder::receive(call_options options) {
  return receive_one(options);
}

awaitable<durable_request> durable_responder::receive_one(call_options options) {
  while (held_.empty()) {
    held_ = co_await requests_.receive(options);
    std::ranges::reverse(held_);
  }
  delivery next = std::move(held_.back());
  held_.pop_back();
  co_return durable_steps::as_request(std::move(next));
}

awaitable<bool> durable_responder::answer(const durable_request& to, durable_answer with, commit&& effect) {
  commit whole = std::move(effect);
  const std::size_t reply = durable_steps::add_answer(whole, to, with, replies_);
  return commit_answer(to, std::move(whole), reply);
}

awaitable<bool> durable_responder::commit_answer(durable_request to, commit effect, std::size_t reply) {
  try {
    co_await broker_->commit(std::move(effect));
    co_return true;
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
  co_return false;
}

void durable_responder::retry(const durable_request& what, std::string_view reason) {
  requests_.nack(durable_steps::lease_of(what), {}, reason);
}

awaitable<void> durable_responder::run_one(const durable_request& asked, const handler& work) {
  try {
    commit effect = durable_steps::effect_of(asked);
    const durable_reply made = co_await work(asked, effect);
    co_await answer(asked, {made.body, made.failed}, std::move(effect));
  } catch (const std::exception& why) {
    retry(asked, why.what());
  }
}

awaitable<void> durable_responder::run_each(handler work) {
  for (;;) {
    durable_request asked;
    try {
      asked = co_await receive_one({});
    } catch (const error& ended) {
      if (ended.code() == errc::closed) co_return;
      throw;
    }
    co_await run_one(asked, work);
  }
}

}  // namespace skald
