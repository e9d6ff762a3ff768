#include "skald/choreography/event_processor.hpp"

#include <stdexcept>

#include "client/choreography/src/processor_core.hpp"

namespace skald::choreography {

namespace asio = boost::asio;

namespace {

constexpr int looks_max = 8;  // at what others keep changing

// A message id that is the record's own. Its place is another each time that somebody publishes it.
bool has_message_id(const record& of) {
  return !tracing::find_header(of, tracing::message_id_header).value_or("").empty();
}

asio::awaitable<void> create_all(client& broker, std::vector<std::string> topics, std::string name,
                                 std::string inbox, processor_settings settings, milliseconds kept) {
  const std::uint32_t partitions = co_await detail::event_sources::create(broker, topics, name, settings);
  const topic_settings of_inbox{
      .partitions = partitions, .retention_ms = kept.count(), .index = topic_index::key};
  co_await broker.create_topic(inbox, of_inbox, {.if_absent = true});
}

}  // namespace

struct event_processor::core final : detail::processor_core<handler> {
  core(client& to, std::string_view of, std::uint32_t at_a_time)
      : processor_core(to, of, at_a_time), inbox(name + ".inbox") {}

  asio::awaitable<void> handle(work_queue& from, const delivery& what, const handler& work,
                               std::string_view data) override;
  asio::awaitable<bool> try_once(work_queue& from, const delivery& what, const handler& work,
                                 std::string_view data);
  bool judge(const commit_refused& refused, bool remembered, work_queue& from, const delivery& what);

  const std::string inbox;
};

asio::awaitable<void> event_processor::core::handle(work_queue& from, const delivery& what,
                                                    const handler& work, std::string_view data) {
  for (int looks = 0; looks < looks_max; ++looks) {
    const bool settled = co_await try_once(from, what, work, data);
    if (settled) co_return;
  }
  throw std::runtime_error("what its handler expects is changed by others all the time");
}

// False: another has changed what the handler expects; call it again.
asio::awaitable<bool> event_processor::core::try_once(work_queue& from, const delivery& what,
                                                      const handler& work, std::string_view data) {
  handling in(what);
  // The first append, so that judge() knows it.
  const bool remembered = has_message_id(what);
  if (remembered)
    in.effect.append(inbox, {.key = in.message_id(), .partition = what.partition()}).expect_version(0);
  in.effect.trace(in.cause());
  co_await work(data, in);
  in.effect.acknowledge(what);
  try {
    co_await broker.commit(std::move(in.effect));
  } catch (const commit_refused& refused) {
    co_return judge(refused, remembered, from, what);
  }
  ++counts.handled;
  co_return true;
}

bool event_processor::core::judge(const commit_refused& refused, bool remembered, work_queue& from,
                                  const delivery& what) {
  if (refused.what_part() == commit_refused::part::delivery) {
    ++counts.overtaken;
    return true;
  }
  if (refused.what_part() != commit_refused::part::append || refused.code() != errc::version_conflict) throw;
  if (remembered && refused.index() == 0) {
    ++counts.duplicates;
    from.ack(what);
    return true;
  }
  ++counts.conflicts;
  return false;
}

// ---- the handle ------------------------------------------------------------------------------------------

event_processor::event_processor(client& broker, std::string_view name, std::uint32_t concurrency)
    : core_(std::make_shared<core>(broker, name, concurrency)) {}
event_processor::~event_processor() {
  if (core_) close();
}
event_processor::event_processor(event_processor&&) noexcept = default;
event_processor& event_processor::operator=(event_processor&&) noexcept = default;

void event_processor::add(std::string_view topic, std::string_view type, handler work) {
  core_->handlers.add(topic, type, std::move(work));
}

asio::awaitable<void> event_processor::create(processor_settings settings, std::chrono::seconds inbox_kept) {
  return create_all(core_->broker, core_->handlers.topics(), core_->name, core_->inbox, settings, inbox_kept);
}

asio::awaitable<void> event_processor::run() {
  return core_->run();
}

void event_processor::close() {
  core_->close();
}

processor_metrics event_processor::metrics() const {
  return core_->counts;
}

}  // namespace skald::choreography
