// An instance of a service: it registers on every connection anew, keeps what was received until it is asked
// for, and sends what was answered.
//
// Threading: on the executor, but for respond(), which any thread may call.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/service.hpp>
#include "client/src/connection.hpp"

namespace skald::detail {

// A request between its delivery and its answer. All but `cancelled` is fixed when it is made.
struct received_request {
  std::weak_ptr<responder_engine> engine;
  std::shared_ptr<const std::string> subject;
  std::uint64_t correlation = 0;
  std::uint64_t connection = 0;  // that it came by: correlations mean nothing on another
  std::string body;
  string_map headers;
  steady_time deadline;
  std::atomic<bool> cancelled{false};
};

// What the broker is told, as bytes that are this one's own.
struct owned_response {
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool failed = false;
  int code = 0;
  std::string message;
};

class responder_engine : public participant, public std::enable_shared_from_this<responder_engine> {
 public:
  responder_engine(std::shared_ptr<detail::connection> through, std::string_view subject,
                   const serve_options& options);

  void start(steady_time deadline, completion<responder> done);
  void receive(std::optional<steady_time> deadline, completion<service_request> done);
  void drain(steady_time deadline, completion<> done);
  // (any thread)
  void reply(const received_request& to, std::string_view body, std::span<const header> headers);
  void fail(const received_request& to, int code, std::string_view message);
  void close();

  const std::string& subject() const { return *subject_; }
  const std::string& instance() const { return instance_; }
  const asio::any_io_executor& get_executor() const { return connection_->get_executor(); }
  detail::connection& connection() { return *connection_; }

  void ready() override;
  void lost() override;
  void closed() override;

 private:
  struct waiting_receiver {
    std::uint64_t number = 0;
    completion<service_request> done;
    std::uint64_t give_up = 0;  // its deadline in the session
  };

  void serve();
  void on_serving(const result<incoming_frame>& answer);
  void serve_failed(const failure& why);
  void on_pushed(const incoming_frame& frame);
  void on_request(const incoming_frame& frame, const wire::RequestDelivery& delivery);
  void on_cancelled(std::uint64_t correlation);
  void on_notice(const wire::ResponderNotice& notice);
  void answer(std::uint64_t correlation, std::uint64_t connection, const owned_response& what);
  void respond(const received_request& to, owned_response what);
  void send_respond(std::uint64_t correlation, std::string_view body, std::span<const header> headers,
                    bool failed, int code, std::string_view message);
  bool drop_if_expired(const received_request& one);
  void hand_out();
  void fail_receiver(std::uint64_t number, const failure& why);
  void beat();
  void abandon_received();
  void retry_later();
  void finish_start(const std::optional<failure>& why);
  void finish_drain(const std::optional<failure>& why);
  // Nothing is received any more, for this reason.
  void end(const failure& why);
  std::string what() const { return "serving \"" + *subject_ + "\""; }

  std::shared_ptr<detail::connection> connection_;
  const std::shared_ptr<const std::string> subject_;
  std::string instance_;
  const std::string version_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  const std::uint32_t window_;
  const milliseconds heartbeat_wanted_;

  std::uint64_t id_ = 0;  // of the responder on this connection; 0: none
  unsigned attempt_ = 0;  // so that answers to an abandoned attempt to serve are ignored
  milliseconds heartbeat_{0};
  asio::steady_timer heart_;
  asio::steady_timer retry_timer_;
  bool draining_ = false;
  bool closed_ = false;
  std::optional<failure> ended_;
  std::deque<std::shared_ptr<received_request>> received_;                         // and not asked for yet
  std::unordered_map<std::uint64_t, std::weak_ptr<received_request>> handed_out_;  // by correlation

  completion<responder> started_;
  std::uint64_t start_give_up_ = 0;
  std::deque<waiting_receiver> receivers_;
  std::uint64_t last_receiver_ = 0;
  completion<> drained_;
  std::uint64_t drain_give_up_ = 0;
};

}  // namespace skald::detail
