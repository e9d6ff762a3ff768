// A producer_core with its surroundings: a lock, the connection, a timer, and those who wait.
//
// Threading: functions marked (any thread) take the lock; records are encoded by the thread that hands them
// in. All else is on the executor. Callbacks and completions are never called with the lock held.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "client/src/connection.hpp"
#include "client/src/owned_message.hpp"
#include "client/src/producer_core.hpp"

namespace skald::detail {

class producer_engine : public participant, public std::enable_shared_from_this<producer_engine> {
 public:
  static std::shared_ptr<producer_engine> create(std::shared_ptr<connection> through,
                                                 const producer_options& options);

  // (any thread) Accepts the record, or says that there is no room. Throws skald::error.
  bool try_accept(std::string_view topic, const message& what, acknowledge ack = {},
                  const std::optional<steady_time>& expires = {});
  // (any thread) Accepts the record when there is room, in the order of the calls, and then calls `accepted`;
  // or calls that with why not. `ack` is called once it was accepted.
  void accept_when_possible(std::string_view topic, owned_message what, acknowledge ack,
                            unique_function<void(std::exception_ptr)> accepted,
                            std::optional<steady_time> expires = {});
  // (any thread but the executor's) Accepts the record, waiting for room. Throws skald::error.
  void accept_blocking(std::string_view topic, const message& what, acknowledge ack = {});
  // (any thread) Calls `done` when everything accepted so far is settled; with the first failure that nobody
  // was told.
  void flush(unique_function<void(std::exception_ptr)> done);
  // (any thread)
  void on_delivery(std::function<void(const delivery_report&)> callback);
  producer_statistics statistics() const;

  // (any thread) Fails everything that is not settled.
  void abandon(const failure& why);

  const asio::any_io_executor& get_executor() const { return connection_->get_executor(); }
  detail::connection& connection() { return *connection_; }
  milliseconds delivery_timeout() const { return options_.delivery_timeout; }

  void ready() override;
  void lost() override;
  void closed() override;

 private:
  producer_engine(std::shared_ptr<detail::connection> through, const producer_options& options);

  struct waiter {
    std::string topic;
    owned_message what;
    acknowledge ack;
    unique_function<void(std::exception_ptr)> accepted;
    std::optional<steady_time> expires;
  };
  struct flusher {
    std::uint64_t flush;
    unique_function<void(std::exception_ptr)> done;
  };

  bool accept_locked(std::string_view topic, const message& what, acknowledge& ack,
                     const std::optional<steady_time>& expires);
  void schedule_pump();
  void pump();
  void perform(producer_effects effects);
  void publish(publish_frame frame);
  void initialise(const std::optional<producer_identity>& renews);
  void describe(const std::string& topic);
  void answered(std::uint64_t ticket, const result<incoming_frame>& answer);
  void report(settlement& what);
  void admit_waiters();
  void finish_flushes();
  void arm_timer(std::optional<steady_time> at);

  const std::shared_ptr<detail::connection> connection_;
  const producer_options options_;
  asio::steady_timer timer_;
  std::optional<steady_time> armed_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable room_;
  producer_core core_;
  std::deque<waiter> waiters_;
  std::deque<flusher> flushers_;
  std::function<void(const delivery_report&)> on_delivery_;
  std::optional<failure> closed_;
  bool pump_scheduled_ = false;
  bool blocked_ = false;           // somebody waits on room_
  std::optional<failure> untold_;  // the first failure of records that nobody was told about
  std::uint64_t untold_records_ = 0;
};

}  // namespace skald::detail

namespace skald::detail {

// Publishes one record through `engine`; completes when it is acknowledged. With a limit, the operation (and
// the record, unless it is on its way) is given up by then; without, after the engine's delivery timeout.
operation<published> make_publish(std::shared_ptr<producer_engine> engine, std::string_view topic,
                                  const message& what, timeout limit);

}  // namespace skald::detail
