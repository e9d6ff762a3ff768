#include "skald/choreography/database_processor.hpp"

#include "client/choreography/src/processor_core.hpp"
#include "client/outbox/src/outage.hpp"

namespace skald::choreography {

namespace asio = boost::asio;

struct database_processor::core final : detail::processor_core<handler> {
  core(client& to, outbox::group_committer& in, std::string_view of, std::uint32_t at_a_time)
      : processor_core(to, of, at_a_time), database(in) {}

  asio::awaitable<void> create(processor_settings settings);
  asio::awaitable<void> handle(work_queue& from, const delivery& what, const handler& work,
                               std::string_view data) override;
  asio::awaitable<bool> try_once(work_queue& from, const delivery& what, const handler& work,
                                 std::string_view data);

  outbox::group_committer& database;
};

asio::awaitable<void> database_processor::core::create(processor_settings settings) {
  const std::vector<std::string> topics = handlers.topics();
  co_await detail::event_sources::create(broker, topics, name, settings);
}

asio::awaitable<void> database_processor::core::handle(work_queue& from, const delivery& what,
                                                       const handler& work, std::string_view data) {
  outbox::detail::outage outage(broker.get_executor());
  for (;;) {
    const bool settled = co_await try_once(from, what, work, data);
    if (settled) co_return;
    ++counts.outages;
    co_await outage.wait();
    if (is_closed()) co_return;  // it comes again, to anybody
    from.extend(what, from.lease());
  }
}

// False: the database cannot be reached, or others keep it; it has not happened, or the inbox knows it.
asio::awaitable<bool> database_processor::core::try_once(work_queue& from, const delivery& what,
                                                         const handler& work, std::string_view data) {
  bool is_new = false;
  const auto change = [&](outbox::transaction& within) {
    is_new = within.receive(name, what);
    if (!is_new) return;
    local_handling in(what, within);
    work(data, in);
  };
  try {
    co_await database.run(change);
  } catch (const outbox::database_error& failed) {
    if (!outbox::detail::may_pass(failed)) throw;
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
  core_->close();
}

processor_metrics database_processor::metrics() const {
  return core_->counts;
}

}  // namespace skald::choreography
