#include "skald/saga/outbox_participant.hpp"

#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

#include <skald/outbox/headers.hpp>
#include <skald/saga/messages.hpp>
#include "client/outbox/src/outage.hpp"
#include "client/saga/src/command.hpp"
#include "client/saga/src/work_loop.hpp"

namespace skald::sagas {

namespace asio = boost::asio;
using detail::command;

namespace {

// An answer in the inbox: a header of its type and body, and another one if it is an error.
std::string encode(const answer& with) {
  std::vector<header> fields{{with.type, with.body}};
  if (with.is_failed) fields.push_back({headers::failed, std::nullopt});
  return outbox::encode_headers(fields);
}

answer decode(std::string_view kept) {
  const std::vector<header> fields = outbox::decode_headers(kept);
  return {.is_failed = fields.size() > 1,
          .type = std::string(fields.at(0).key),
          .body = std::string(fields.at(0).value.value_or(""))};
}

}  // namespace

struct outbox_participant::core : std::enable_shared_from_this<outbox_participant::core> {
  core(client& to, std::string_view of, outbox::group_committer& in, std::uint32_t concurrency)
      : broker(to),
        name(of),
        consumer(commands_topic(of)),
        database(in),
        loop(std::make_shared<detail::work_loop>(to, consumer, std::string(participant_queue), concurrency)) {
  }

  enum class outcome : std::uint8_t { handled, repeated, refused, empty };
  asio::awaitable<void> handle(const delivery& input);
  asio::awaitable<bool> try_once(const delivery& input);
  // nullopt: the database cannot be reached, or others keep it; it has not happened, or the inbox knows it.
  asio::awaitable<std::optional<outcome>> attempt(const command& what);
  // Within a local transaction.
  outcome work(const command& what, outbox::transaction& change) const;
  bool is_nothing_to_undo(const command& what, outbox::transaction& change) const;
  answer call_handler(const command& what, outbox::transaction& change) const;
  answer answer_kept(const std::string& key, outbox::transaction& change) const;
  static void send(const command& to, const answer& with, outbox::transaction& change);

  client& broker;
  std::string name;
  std::string consumer;  // in the inbox
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
  outbox::detail::outage outage(broker.get_executor());
  std::optional<outcome> was = co_await attempt(what);
  while (!was) {
    ++counts.outages;
    co_await outage.wait();
    if (loop->is_closed()) co_return true;  // it comes again, to anybody
    loop->queue().extend(input, loop->queue().lease());
    was = co_await attempt(what);
  }
  switch (*was) {
    case outcome::handled:
      ++counts.handled;
      break;
    case outcome::repeated:
      ++counts.repeated;
      break;
    case outcome::refused:
      ++counts.refused;
      break;
    case outcome::empty:
      ++counts.empty;
      break;
  }
  loop->queue().ack(input);
  co_return true;
}

asio::awaitable<std::optional<outbox_participant::core::outcome>> outbox_participant::core::attempt(
    const command& what) {
  try {
    const outcome is =
        co_await database.run([this, &what](outbox::transaction& change) { return work(what, change); });
    co_return is;
  } catch (const outbox::database_error& failed) {
    if (!outbox::detail::may_pass(failed)) throw;
  }
  co_return std::nullopt;
}

outbox_participant::core::outcome outbox_participant::core::work(const command& what,
                                                                 outbox::transaction& change) const {
  change.trace(what.cause);
  const std::string key = what.inbox_key(what.id);
  if (!change.receive(consumer, key)) {
    const answer before = answer_kept(key, change);
    send(what, before, change);
    return detail::is_refusal(before) ? outcome::refused : outcome::repeated;
  }
  const bool empty = is_nothing_to_undo(what, change);
  const answer with = empty ? answer::done() : call_handler(what, change);
  change.keep_answer(consumer, key, encode(with));
  send(what, with, change);
  return empty ? outcome::empty : outcome::handled;
}

bool outbox_participant::core::is_nothing_to_undo(const command& what, outbox::transaction& change) const {
  if (what.compensates.empty()) return false;
  const std::string action = what.inbox_key(what.compensates);
  // Noted here as received and not answered, the action is refused should it come later.
  return change.receive(consumer, action) || answer_kept(action, change).is_failed;
}

answer outbox_participant::core::answer_kept(const std::string& key, outbox::transaction& change) const {
  const std::optional<std::string> kept = change.kept_answer(consumer, key);
  return kept ? decode(*kept) : detail::refusal();
}

answer outbox_participant::core::call_handler(const command& what, outbox::transaction& change) const {
  const auto found = handlers.find(what.type);
  if (found == handlers.end()) throw std::runtime_error("no handler for '" + std::string(what.type) + "'");
  return found->second(what.body, change);
}

void outbox_participant::core::send(const command& to, const answer& with, outbox::transaction& change) {
  const std::vector<header> fields = detail::headers_of(to, with);
  change.publish(to.reply_to, {.key = to.saga, .value = with.body, .headers = fields});
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
