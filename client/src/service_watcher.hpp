// A watch of services: begun anew on every connection, with the events that were not asked for yet.
//
// Threading: on the executor.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <skald/detail/completion.hpp>
#include <skald/service.hpp>
#include "client/src/connection.hpp"

namespace skald::detail {

class service_watcher : public participant, public std::enable_shared_from_this<service_watcher> {
 public:
  service_watcher(std::shared_ptr<detail::connection> through, std::string_view subject)
      : connection_(std::move(through)), subject_(subject) {}

  void start(steady_time deadline, completion<service_watch> done);
  void receive(std::optional<steady_time> deadline, completion<service_event> done);
  void close();

  const asio::any_io_executor& get_executor() const { return connection_->get_executor(); }
  detail::connection& connection() { return *connection_; }

  void ready() override;
  void lost() override;
  void closed() override;

 private:
  void watch();
  void hand_out();
  void finish_start(const std::optional<failure>& why);
  void end(const failure& why);

  std::shared_ptr<detail::connection> connection_;
  const std::string subject_;
  std::uint64_t id_ = 0;  // of the watch on this connection; 0: none
  std::optional<failure> ended_;
  std::deque<service_event> events_;
  completion<service_watch> started_;
  std::uint64_t start_give_up_ = 0;
  completion<service_event> receiver_;
  std::uint64_t receive_give_up_ = 0;
};

}  // namespace skald::detail
