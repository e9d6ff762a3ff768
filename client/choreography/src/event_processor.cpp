#include "skald/choreography/event_processor.hpp"

#include "client/choreography/src/event_sources.hpp"

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

struct event_processor::core : std::enable_shared_from_this<event_processor::core> {
  core(client& to, std::string_view of, std::uint32_t at_a_time)
      : broker(to), name(of), inbox(name + ".inbox"), concurrency(at_a_time) {}

  asio::awaitable<void> run();
  asio::awaitable<void> handle(work_queue& from, const delivery& what);
  asio::awaitable<bool> try_once(work_queue& from, const delivery& what);
  bool judge(const commit_refused& refused, bool remembered, work_queue& from, const delivery& what);

  client& broker;
  std::string name;
  std::string inbox;
  std::uint32_t concurrency;
  event_handlers<handler> handlers;
  std::shared_ptr<detail::event_sources> sources;  // while it runs
  bool closed = false;
  processor_metrics counts;
};

asio::awaitable<void> event_processor::core::run() {
  const auto self = shared_from_this();
  if (closed) co_return;
  sources = std::make_shared<detail::event_sources>(broker, handlers.topics(), name, concurrency);
  const detail::event_sources::handler each = [this](work_queue& from, const delivery& what) {
    return handle(from, what);
  };
  co_await sources->run(each);
}

asio::awaitable<void> event_processor::core::handle(work_queue& from, const delivery& what) {
  const auto self = shared_from_this();
  std::string why = "what its handler expects is changed by others all the time";
  try {
    for (int looks = 0; looks < looks_max; ++looks) {
      const bool settled = co_await try_once(from, what);
      if (settled) co_return;
    }
  } catch (const error& failed) {
    if (failed.code() == errc::closed || failed.code() == errc::cancelled) co_return;
    why = failed.what();
  } catch (const std::exception& failed) {
    why = failed.what();
  }
  ++counts.failures;
  from.nack(what, {}, why);
}

// False: another has changed what the handler expects; call it again.
asio::awaitable<bool> event_processor::core::try_once(work_queue& from, const delivery& what) {
  const eventsourcing::recorded_event is = eventsourcing::event_of(what);
  const handler* work = handlers.find(what.topic(), is.type);
  if (work == nullptr) {
    ++counts.ignored;
    from.ack(what);
    co_return true;
  }
  handling in(what);
  // The first append, so that judge() knows it.
  const bool remembered = has_message_id(what);
  if (remembered)
    in.effect.append(inbox, {.key = in.message_id(), .partition = what.partition()}).expect_version(0);
  in.effect.trace(in.cause());
  co_await (*work)(is.data, in);
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
  core_->closed = true;
  if (core_->sources) core_->sources->close();
}

processor_metrics event_processor::metrics() const {
  return core_->counts;
}

}  // namespace skald::choreography
