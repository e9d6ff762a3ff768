#include "skald/choreography/database_processor.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "client/choreography/src/event_sources.hpp"

namespace skald::choreography {

namespace asio = boost::asio;

namespace {

// How long a database is left alone that cannot be reached: doubles from the first to the second.
constexpr milliseconds retry_delay_min{20};
constexpr milliseconds retry_delay_max{1'000};

}  // namespace

struct database_processor::core : std::enable_shared_from_this<database_processor::core> {
  core(client& to, outbox::group_committer& in, std::string_view of, std::uint32_t at_a_time)
      : broker(to), database(in), name(of), concurrency(at_a_time) {}

  asio::awaitable<void> create(processor_settings settings);
  asio::awaitable<void> run();
  asio::awaitable<void> handle(work_queue& from, const delivery& what);
  asio::awaitable<void> until_settled(work_queue& from, const delivery& what);
  asio::awaitable<bool> try_once(work_queue& from, const delivery& what);

  client& broker;
  outbox::group_committer& database;
  std::string name;
  std::uint32_t concurrency;
  event_handlers<handler> handlers;
  std::shared_ptr<detail::event_sources> sources;  // while it runs
  bool closed = false;
  processor_metrics counts;
};

asio::awaitable<void> database_processor::core::create(processor_settings settings) {
  const std::vector<std::string> topics = handlers.topics();
  co_await detail::event_sources::create(broker, topics, name, settings);
}

asio::awaitable<void> database_processor::core::run() {
  const auto self = shared_from_this();
  if (closed) co_return;
  sources = std::make_shared<detail::event_sources>(broker, handlers.topics(), name, concurrency);
  const detail::event_sources::handler each = [this](work_queue& from, const delivery& what) {
    return handle(from, what);
  };
  co_await sources->run(each);
}

asio::awaitable<void> database_processor::core::handle(work_queue& from, const delivery& what) {
  const auto self = shared_from_this();
  std::string why;
  try {
    co_await until_settled(from, what);
    co_return;
  } catch (const std::exception& failed) {
    why = failed.what();
  }
  ++counts.failures;
  from.nack(what, {}, why);
}

asio::awaitable<void> database_processor::core::until_settled(work_queue& from, const delivery& what) {
  asio::steady_timer timer(broker.get_executor());
  for (milliseconds delay = retry_delay_min;; delay = std::min(2 * delay, retry_delay_max)) {
    const bool settled = co_await try_once(from, what);
    if (settled) co_return;
    ++counts.outages;
    timer.expires_after(delay);
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (closed) co_return;  // it comes again, to anybody
    from.extend(what, from.lease());
  }
}

// False: the database cannot be reached, or others keep it; it has not happened, or the inbox knows it.
asio::awaitable<bool> database_processor::core::try_once(work_queue& from, const delivery& what) {
  const eventsourcing::recorded_event is = eventsourcing::event_of(what);
  const handler* work = handlers.find(what.topic(), is.type);
  if (work == nullptr) {
    ++counts.ignored;
    from.ack(what);
    co_return true;
  }
  bool is_new = false;
  const auto change = [&](outbox::transaction& within) {
    is_new = within.receive(name, what);
    if (!is_new) return;
    local_handling in(what, within);
    (*work)(is.data, in);
  };
  try {
    co_await database.run(change);
  } catch (const outbox::database_error& failed) {
    if (failed.problem() == outbox::database_problem::other) throw;
    co_return false;
  }
  from.ack(what);
  ++(is_new ? counts.handled : counts.duplicates);
  co_return true;
}

// ---- the handle ------------------------------------------------------------------------------------------

database_processor::database_processor(client& broker, outbox::group_committer& database,
                                       std::string_view name, std::uint32_t concurrency)
    : core_(std::make_shared<core>(broker, database, name, concurrency)) {}
database_processor::~database_processor() {
  if (core_) close();
}
database_processor::database_processor(database_processor&&) noexcept = default;
database_processor& database_processor::operator=(database_processor&&) noexcept = default;

void database_processor::add(std::string_view topic, std::string_view type, handler work) {
  core_->handlers.add(topic, type, std::move(work));
}

asio::awaitable<void> database_processor::create(processor_settings settings) {
  return core_->create(settings);
}

asio::awaitable<void> database_processor::run() {
  return core_->run();
}

void database_processor::close() {
  core_->closed = true;
  if (core_->sources) core_->sources->close();
}

processor_metrics database_processor::metrics() const {
  return core_->counts;
}

}  // namespace skald::choreography
