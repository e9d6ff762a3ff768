// The consumers of one session: what each of its open queues sends, and what the client settles.
//
// Runs on the session's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/server/host.hpp"
#include "broker/server/queue_port.hpp"

namespace skald::server {

class session;
class pending_request;

class queue_consumers {
 public:
  explicit queue_consumers(session& of);
  ~queue_consumers();
  queue_consumers(const queue_consumers&) = delete;
  queue_consumers& operator=(const queue_consumers&) = delete;

  void open(std::uint64_t id, const wire::OpenQueue& message);
  void close(std::uint64_t id, const wire::CloseQueue& message);
  void settle(std::uint64_t id, const wire::Settle& message);

  // The broker's number of a consumer; 0 when the connection has none of that number.
  consumer_id find(std::uint64_t number) const;

  // There is room for more output.
  void pump();
  // `counted`: what they hold counts as an attempt; so it does when a connection closes.
  void clear(bool counted);

 private:
  struct consumer;
  using shared = std::shared_ptr<consumer>;
  using weak = std::weak_ptr<consumer>;

  void opened(const weak& which, const pending_request& request, const queue_opened& is);
  void told(const weak& which, const shard::failure& ended, queue_delivery what);
  void let_go(const consumer& one, bool counted);

  session& session_;
  session_host& host_;
  std::unordered_map<std::uint64_t, shared> consumers_;
};

}  // namespace skald::server
