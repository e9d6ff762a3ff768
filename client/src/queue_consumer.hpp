// An open queue: what has arrived and not been received, and what is settled and not yet durable.
//
// Threading: settle() from any thread; all else on the executor.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/queue.hpp>
#include "client/src/connection.hpp"
#include "client/src/received.hpp"

namespace skald::detail {

class queue_consumer : public participant, public std::enable_shared_from_this<queue_consumer> {
 public:
  queue_consumer(std::shared_ptr<detail::connection> through, std::string_view topic, std::string_view queue,
                 const open_queue_options& options);

  void start(steady_time deadline, completion<work_queue> done);
  void receive(std::optional<steady_time> deadline, completion<deliveries> done);
  void flush(std::optional<steady_time> deadline, completion<> done);
  void close();

  // (any thread)
  void settle(const delivery& what, wire::Settlement how, std::optional<milliseconds> delay,
              std::string_view reason);
  void acknowledge(const deliveries& what);

  const std::string& topic() const { return *topic_; }
  const std::string& queue() const { return queue_; }
  milliseconds lease() const { return lease_; }
  const asio::any_io_executor& get_executor() const { return connection_->get_executor(); }

  void ready() override;
  void lost() override;
  void closed() override;

 private:
  // Consecutive records that are settled alike.
  struct settled {
    std::uint64_t lease = 0;
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    wire::Settlement how = wire::Settlement::ack;
    std::optional<std::uint64_t> delay_ms;
    std::string reason;
  };
  struct flusher {
    std::uint64_t after;  // waits until so many settlements are answered
    std::uint64_t give_up;
    std::shared_ptr<completion<>> done;
  };

  void add(const delivery& what, wire::Settlement how, std::optional<milliseconds> delay,
           std::string_view reason);
  void schedule();
  void attach();
  void on_opened(const result<incoming_frame>& answer);
  void attach_failed(const failure& why);
  void on_pushed(const incoming_frame& frame);
  result<deliveries> decode(const incoming_frame& frame) const;
  void hand_out();
  // `all`: however many are on their way.
  void send_settled(bool all = false);
  void send(std::vector<settled> batch);
  void on_settled(std::uint64_t first, const std::vector<settled>& batch,
                  const result<incoming_frame>& answer);
  void fail_settling(const failure& why, std::size_t records);
  void finish_flushes();
  void end(const failure& why);
  void finish_start(const std::optional<failure>& why);
  void finish(const failure& why);
  std::string what() const { return "opening queue \"" + queue_ + "\" of topic \"" + *topic_ + "\""; }

  const std::shared_ptr<detail::connection> connection_;
  const std::shared_ptr<const std::string> topic_;
  const std::string queue_;
  const open_queue_options options_;
  const std::string dead_letter_;  // what options_ views
  const std::shared_ptr<decoder_pool> decoders_ = std::make_shared<decoder_pool>();
  asio::steady_timer retry_timer_;
  milliseconds lease_{0};
  std::uint64_t id_ = 0;  // on this connection; 0: none
  bool open_ = false;
  unsigned attempt_ = 0;  // so that answers to an abandoned attempt to open are ignored
  bool closed_ = false;
  std::optional<failure> ended_;
  completion<work_queue> started_;
  std::uint64_t start_give_up_ = 0;
  completion<deliveries> receiver_;
  std::uint64_t receive_give_up_ = 0;
  std::deque<deliveries> arrived_;

  // Settlements are numbered in the order in which they were added.
  std::uint64_t sent_ = 0;             // up to this one they are sent, or have failed
  std::set<std::uint64_t> in_flight_;  // the first of each request without an answer
  std::deque<flusher> flushers_;
  std::optional<failure> untold_;
  std::size_t untold_records_ = 0;

  std::mutex mutex_;                     // guards what follows
  std::uint64_t connection_number_ = 0;  // counts connections; leases belong to one
  std::uint64_t holder_ = 0;             // whose leases can be settled here: the last id_ there was
  std::deque<settled> unsent_;
  std::uint64_t added_ = 0;
  std::size_t orphans_ = 0;    // settled after their leases had gone with a connection
  std::size_t strangers_ = 0;  // received from another queue, or by another client
  bool scheduled_ = false;
};

}  // namespace skald::detail
