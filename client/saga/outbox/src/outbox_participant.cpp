#include "skald/saga/outbox_participant.hpp"

#include <map>
#include <stdexcept>
#include <vector>

#include <skald/saga/messages.hpp>
#include "client/saga/src/command.hpp"
#include "client/saga/src/work_loop.hpp"

namespace skald::sagas {

namespace asio = boost::asio;
using detail::command;

struct outbox_participant::core : std::enable_shared_from_this<outbox_participant::core> {
  core(client& to, std::string_view of, outbox::group_committer& in, std::uint32_t concurrency)
      : broker(to),
        name(of),
        consumer(commands_topic(of)),
        failed_consumer(consumer + "/failed"),
        database(in),
        loop(std::make_shared<detail::work_loop>(to, consumer, std::string(participant_queue), concurrency)) {
  }

  enum class outcome : std::uint8_t { handled, repeated, empty };
  asio::awaitable<void> handle(const delivery& input);
  asio::awaitable<bool> try_once(const delivery& input);
  // Within a local transaction.
  outcome work(const command& what, outbox::transaction& change) const;
  bool is_nothing_to_undo(const command& what, outbox::transaction& change) const;
  answer call_handler(const command& what, outbox::transaction& change) const;

  client& broker;
  std::string name;
  std::string consumer;         // in the inbox: of all commands
  std::string failed_consumer;  // of those that were answered with an error
  outbox::group_committer& database;
  std::shared_ptr<detail::work_loop> loop;
  std::map<std::string, handler, std::less<>> handlers;
  participant_metrics counts;
};

asio::awaitable<void> outbox_participant::core::handle(const delivery& input) {
  const auto self = shared_from_this();
  const detail::work_loop::attempt once = [this, &input] { return try_once(input); };
  const bool settled = co_await loop->settle(input, once, {});
  if (!settled) ++counts.failures;
}

asio::awaitable<bool> outbox_participant::core::try_once(const delivery& input) {
  const command what(input);
  const outcome was =
      co_await database.run([this, &what](outbox::transaction& change) { return work(what, change); });
  switch (was) {
    case outcome::handled:
      ++counts.handled;
      break;
    case outcome::repeated:
      ++counts.repeated;
      break;
    case outcome::empty:
      ++counts.empty;
      break;
  }
  loop->queue().ack(input);
  co_return true;
}

outbox_participant::core::outcome outbox_participant::core::work(const command& what,
                                                                 outbox::transaction& change) const {
  if (!change.receive(consumer, what.id)) return outcome::repeated;
  change.trace(what.cause);
  const bool empty = is_nothing_to_undo(what, change);
  const answer with = empty ? answer::done() : call_handler(what, change);
  const std::vector<header> fields = detail::headers_of(what, with);
  change.publish(what.reply_to, {.key = what.saga, .value = with.body, .headers = fields});
  return empty ? outcome::empty : outcome::handled;
}

bool outbox_participant::core::is_nothing_to_undo(const command& what, outbox::transaction& change) const {
  if (what.compensates.empty()) return false;
  // Noted here as received, the action is passed over should it come later.
  if (change.receive(consumer, what.compensates)) return true;
  return change.has_received(failed_consumer, what.compensates);
}

answer outbox_participant::core::call_handler(const command& what, outbox::transaction& change) const {
  const auto found = handlers.find(what.type);
  if (found == handlers.end()) throw std::runtime_error("no handler for '" + std::string(what.type) + "'");
  answer with = found->second(what.body, change);
  // The id is new to this consumer, as it was to the other.
  if (with.is_failed) static_cast<void>(change.receive(failed_consumer, what.id));
  return with;
}

// ---- the handle ------------------------------------------------------------------------------------------

outbox_participant::outbox_participant(client& broker, std::string_view name,
                                       outbox::group_committer& database, std::uint32_t concurrency)
    : core_(std::make_shared<core>(broker, name, database, concurrency)) {}
outbox_participant::~outbox_participant() {
  if (core_) close();
}
outbox_participant::outbox_participant(outbox_participant&&) noexcept = default;
outbox_participant& outbox_participant::operator=(outbox_participant&&) noexcept = default;

void outbox_participant::add(std::string command, handler work) {
  core_->handlers.insert_or_assign(std::move(command), std::move(work));
}

namespace {

asio::awaitable<void> create_one(client& broker, std::string name, saga_topics settings) {
  co_await detail::create_participant(broker, name, settings);
}

}  // namespace

asio::awaitable<void> outbox_participant::create(saga_topics settings) {
  return create_one(core_->broker, core_->name, settings);
}

asio::awaitable<void> outbox_participant::run() {
  return core_->loop->run([core = core_](const delivery& input) { return core->handle(input); });
}

void outbox_participant::close() {
  core_->loop->close();
}

participant_metrics outbox_participant::metrics() const {
  return core_->counts;
}

}  // namespace skald::sagas
