#include "skald/saga/participant.hpp"

#include <map>
#include <stdexcept>

#include <skald/saga/messages.hpp>
#include "client/saga/src/command.hpp"
#include "client/saga/src/work_loop.hpp"

namespace skald::sagas {

namespace asio = boost::asio;

using detail::command;

namespace {

answer answer_in(const record& stored) {
  return {find_header(stored, headers::failed).has_value(),
          std::string(find_header(stored, headers::reply).value_or("")),
          std::string(stored.value().value_or(""))};
}

}  // namespace

struct participant::core : std::enable_shared_from_this<participant::core> {
  core(client& to, std::string_view of, std::uint32_t concurrency)
      : broker(to),
        name(of),
        inbox(inbox_topic(of)),
        loop(std::make_shared<detail::work_loop>(to, commands_topic(of), std::string(participant_queue),
                                                 concurrency)) {}

  asio::awaitable<void> handle(const delivery& input);
  asio::awaitable<bool> try_once(const delivery& input);
  // The commit that answers it: from the inbox, or by its handler.
  asio::awaitable<commit> work(const delivery& input, const command& what);
  void add_answer(commit& effect, const command& to, const answer& with) const;
  void add_inbox(commit& effect, const delivery& input, const command& to, std::string_view key,
                 const answer& with) const;

  client& broker;
  std::string name;
  std::string inbox;
  std::shared_ptr<detail::work_loop> loop;
  std::map<std::string, handler, std::less<>> handlers;
  participant_metrics counts;
};

asio::awaitable<void> participant::core::handle(const delivery& input) {
  const auto self = shared_from_this();
  const detail::work_loop::attempt once = [this, &input] { return try_once(input); };
  const bool settled = co_await loop->settle(input, once, "its inbox is changed by others all the time");
  if (!settled) ++counts.failures;
}

// False: another has answered it meanwhile; look again.
asio::awaitable<bool> participant::core::try_once(const delivery& input) {
  const command what(input);
  commit effect = co_await work(input, what);
  effect.acknowledge(input);
  try {
    co_await broker.commit(std::move(effect));
  } catch (const commit_refused& refused) {
    // Somebody else has the command now.
    if (refused.what_part() == commit_refused::part::delivery) co_return true;
    if (refused.code() != errc::version_conflict) throw;
    co_return false;
  }
  co_return true;
}

asio::awaitable<commit> participant::core::work(const delivery& input, const command& what) {
  const std::string key = what.inbox_key(what.id);
  commit effect;
  effect.trace(what.cause);
  const auto known = co_await detail::read_newest(broker, inbox, key, input.partition());
  if (known) {
    const answer stored = answer_in(known->newest);
    ++(detail::is_refusal(stored) ? counts.refused : counts.repeated);
    add_answer(effect, what, stored);
    co_return effect;
  }
  answer with;
  bool happened = true;
  if (!what.compensates.empty()) {
    const std::string undone = what.inbox_key(what.compensates);
    const auto action = co_await detail::read_newest(broker, inbox, undone, input.partition());
    happened = action && !answer_in(action->newest).is_failed;
    if (!action) add_inbox(effect, input, what, undone, detail::refusal());
  }
  if (happened) {
    const auto found = handlers.find(what.type);
    if (found == handlers.end()) throw std::runtime_error("no handler for '" + std::string(what.type) + "'");
    handling within(what.saga, what.id, what.cause.correlation_id, input.attempt());
    within.effect.trace(what.cause);
    with = found->second(what.body, within);
    // What has not happened has no effects.
    if (!with.is_failed) effect = std::move(within.effect);
    ++counts.handled;
  } else {
    ++counts.empty;
  }
  add_inbox(effect, input, what, key, with);
  add_answer(effect, what, with);
  co_return effect;
}

void participant::core::add_answer(commit& effect, const command& to, const answer& with) const {
  const std::vector<header> fields = headers_of(to, with);
  effect.append(to.reply_to, {.key = to.saga, .value = with.body, .headers = fields});
}

void participant::core::add_inbox(commit& effect, const delivery& input, const command& to,
                                  std::string_view key, const answer& with) const {
  const std::vector<header> fields = headers_of(to, with);
  effect.append(inbox, {.key = key, .value = with.body, .headers = fields, .partition = input.partition()})
      .expect_version(0);
}

// ---- the handle ------------------------------------------------------------------------------------------

participant::participant(client& broker, std::string_view name, std::uint32_t concurrency)
    : core_(std::make_shared<core>(broker, name, concurrency)) {}
participant::~participant() {
  if (core_) close();
}
participant::participant(participant&&) noexcept = default;
participant& participant::operator=(participant&&) noexcept = default;

void participant::add(std::string command, handler work) {
  core_->handlers.insert_or_assign(std::move(command), std::move(work));
}

namespace {

asio::awaitable<void> create_one(client& broker, std::string name, saga_topics settings) {
  co_await detail::create_participant(broker, name, settings);
}

}  // namespace

asio::awaitable<void> participant::create(saga_topics settings) {
  return create_one(core_->broker, core_->name, settings);
}

asio::awaitable<void> participant::run() {
  return core_->loop->run([core = core_](const delivery& input) { return core->handle(input); });
}

void participant::close() {
  core_->loop->close();
}

participant_metrics participant::metrics() const {
  return core_->counts;
}

}  // namespace skald::sagas
