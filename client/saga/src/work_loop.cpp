#include "client/saga/src/work_loop.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include <skald/saga/messages.hpp>

namespace skald::sagas::detail {

namespace asio = boost::asio;

namespace {

constexpr int looks_max = 8;  // at what others keep changing

}  // namespace

work_loop::work_loop(client& broker, std::string topic, std::string queue, std::uint32_t concurrency)
    : broker_(broker),
      topic_(std::move(topic)),
      name_(std::move(queue)),
      concurrency_(concurrency),
      idle_(broker.get_executor()) {}

bool may_pass(const error& why) {
  return why.code() == errc::cannot_connect || why.code() == errc::deadline_exceeded ||
         why.code() == errc::connection_lost || why.code() == errc::shutting_down;
}

asio::awaitable<void> work_loop::open() {
  try {
    queue_ = co_await broker_.open_queue(topic_, name_, {.prefetch = concurrency_});
    opened_ = true;
  } catch (const error& why) {
    if (!may_pass(why)) throw;
  }
}

asio::awaitable<void> work_loop::run(handler work) {
  const auto self = shared_from_this();
  while (!opened_ && !closed_) co_await open();
  std::exception_ptr failed;
  try {
    while (!closed_) {
      deliveries some = co_await queue_.receive();
      for (delivery& next : some) {
        ++running_;
        asio::co_spawn(broker_.get_executor(), one(work, std::move(next)), asio::detached);
      }
    }
  } catch (const error& why) {
    if (why.code() != errc::closed) failed = std::current_exception();
  }
  while (running_ > 0) {
    idle_.expires_at(asio::steady_timer::time_point::max());
    boost::system::error_code woken;
    co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  if (failed) std::rethrow_exception(failed);
}

asio::awaitable<void> work_loop::one(handler work, delivery what) {
  const auto self = shared_from_this();
  co_await work(what);
  if (--running_ == 0) idle_.cancel();
}

asio::awaitable<bool> work_loop::settle(const delivery& what, const attempt& once,
                                        std::string_view contended) {
  std::string why;
  try {
    for (int looks = 0; looks < looks_max; ++looks) {
      const bool settled = co_await once();
      if (settled) co_return true;
    }
    why = contended;
  } catch (const error& failed) {
    if (failed.code() == errc::closed || failed.code() == errc::cancelled) co_return true;
    if (failed.code() == errc::invalid_request) {
      queue_.reject(what, failed.what());
      co_return true;
    }
    why = failed.what();
  } catch (const std::exception& failed) {
    why = failed.what();
  }
  queue_.nack(what, {}, why);
  co_return false;
}

void work_loop::close() {
  closed_ = true;
  if (opened_) queue_.close();
}

// ---- topics ----------------------------------------------------------------------------------------------

asio::awaitable<void> create_topic(client& broker, const std::string& name, topic_index index,
                                   saga_topics settings) {
  topic_settings with{.partitions = settings.partitions};
  if (settings.retention) with.retention_ms = settings.retention->count();
  if (index != topic_index::none) with.index = index;
  co_await broker.create_topic(name, with, {.if_absent = true});
}

asio::awaitable<void> create_queue(client& broker, const std::string& topic, std::string_view queue,
                                   saga_topics settings) {
  const queue_settings with{.lease = settings.lease,
                            .max_attempts = settings.max_attempts,
                            .backoff_min = settings.backoff_min,
                            .ordered_by_key = true};
  co_await broker.create_queue(topic, queue, with, {.if_absent = true});
}

asio::awaitable<void> create_participant(client& broker, const std::string& name, saga_topics settings) {
  const std::string commands = commands_topic(name);
  const std::string inbox = inbox_topic(name);
  co_await create_topic(broker, commands, topic_index::none, settings);
  co_await create_topic(broker, inbox, topic_index::key, settings);
  co_await create_queue(broker, commands, participant_queue, settings);
}

asio::awaitable<std::optional<stored_record>> read_newest(client& broker, const std::string& topic,
                                                          const std::string& key, partition_id partition) {
  try {
    const key_records found = co_await broker.read_key(topic, key, {.latest = true, .partition = partition});
    for (const record& one : found.records)
      if (one.key() == key) co_return stored_record{one, found.version};
  } catch (const error& why) {
    if (why.code() != errc::unknown_key) throw;
  }
  co_return std::nullopt;
}

}  // namespace skald::sagas::detail
