// A subscriber_core with its surroundings: the connection, and who waits for a delivery.
//
// Threading: on the executor.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/subscription.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/connection.hpp"
#include "client/src/member_positions.hpp"
#include "client/src/subscriber_core.hpp"
#include "client/src/subscription_filter.hpp"

namespace skald::detail {

class subscriber : public participant, public std::enable_shared_from_this<subscriber> {
 public:
  // Throws skald::error for contradictory options.
  subscriber(std::shared_ptr<detail::connection> through, std::string_view topic,
             const subscribe_options& options);

  void start(steady_time deadline, completion<subscription> done);
  void receive(std::optional<steady_time> deadline, completion<records> done);
  std::optional<records> try_receive();
  // All partitions to `everywhere`, or those of `to`, as the core resolved them.
  void seek(const result<std::vector<placed_start>>& to, std::optional<start_point> everywhere,
            steady_time deadline, completion<> done);
  // What the program has received is done: commits it, if it is so said, and leaves.
  void close();
  // Leaves without saying so.
  void abandon();
  void commit(const result<topic_partition>& of, offset next, steady_time deadline, completion<> done);
  void leave(steady_time deadline, completion<> done);

  // ---- inputs of units of work (subscriber_group.cpp) ----
  // Fails unless it is a member that commits by hand, and has had that partition.
  result<topic_partition> input_place(std::string_view topic, partition_id partition) const;
  // Whether it is a member on the connection that there is now; `as` says which.
  bool is_present(membership& as) const;
  // For good.
  bool is_over() const { return closed_ || core_.over(); }
  // Calls back once, when it is present (again) or over.
  void when_present(std::function<void()> then) { awaiting_.push_back(std::move(then)); }
  // A unit of work has taken effect that acknowledges this.
  void acknowledged(const placed_offset& at);

  const subscriber_core& core() const { return core_; }
  const asio::any_io_executor& get_executor() const { return connection_->get_executor(); }
  detail::connection& connection() { return *connection_; }

  void ready() override;
  void lost() override;
  void closed() override;

 private:
  struct pending_seek {
    std::uint32_t seek;
    std::uint64_t give_up;  // its deadline in the session
    completion<> done;
  };

  void attach();
  void on_subscribed(const result<incoming_frame>& answer);
  void attach_failed(const failure& why);
  void on_pushed(const incoming_frame& frame);
  void on_notice(const wire::SubscriptionNotice& notice);
  void on_changed(const wire::SubscriptionChanged& changed);
  // subscriber_group.cpp
  void on_joined(const wire::SubscribeOk& ok);
  void on_assignment(const wire::SubscriptionChanged& changed);
  void keep_alive();
  void tell_present();
  void commit_processed();
  void group_step();
  shared_frame encode_commit(std::uint64_t request_id, const std::vector<placed_offset>& positions);
  void send_user_seek(const subscriber_core::seek_order& order);
  void send_seek(const subscriber_core::seek_order& order, session::answer_handler handler);
  void on_sought(std::uint32_t seek, const result<incoming_frame>& answer);
  void finish_seek(std::uint32_t seek, const std::optional<failure>& why);
  void hand_out();
  result<records> take();
  void send_credit();
  void finish_start(const std::optional<failure>& why);
  void finish(const failure& why);
  std::string what() const { return "subscribing to topic \"" + *core_.topic() + "\""; }

  std::shared_ptr<detail::connection> connection_;
  subscriber_core core_;
  subscription_filter filter_;
  asio::steady_timer retry_timer_;
  std::uint64_t id_ = 0;  // of the subscription on this connection; 0: none
  unsigned attempt_ = 0;  // so that answers to an abandoned attempt to attach are ignored
  bool closed_ = false;
  completion<subscription> started_;
  std::uint64_t start_give_up_ = 0;
  completion<records> receiver_;
  std::uint64_t receive_give_up_ = 0;
  std::vector<pending_seek> seeks_;

  // A member of a group.
  std::string group_;  // empty: none
  std::string instance_;
  commit_mode commit_mode_;
  milliseconds session_timeout_;
  milliseconds release_timeout_;
  std::uint64_t member_ = 0;
  std::uint32_t epoch_ = 0;
  member_positions positions_;
  bool committing_ = false;
  asio::steady_timer heartbeat_timer_;
  milliseconds heartbeat_{0};
  std::vector<std::function<void()>> awaiting_;  // that it is present
};

}  // namespace skald::detail
