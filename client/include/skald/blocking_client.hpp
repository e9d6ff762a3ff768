// The client for programs without an event loop: the same operations, each returning when it is done.
//
//   skald::blocking_client broker({.address = "127.0.0.1:7411"});
//   broker.publish("orders", {.key = "42", .value = "created"});
//   auto orders = broker.subscribe("orders", {.from = skald::earliest});
//   for (;;)
//     for (const skald::record& r : orders.receive()) handle(r);
//
// It runs a skald::client on a thread of its own; everything said there about connections, repetition and
// errors holds here. Every operation returns within its timeout and throws skald::error.
//
// Threading: each object may be used by any number of threads at once; destroying one while another thread is
// in a call on it is not allowed. close() may be called to make other threads' calls throw errc::closed.
// Lifetime: subscriptions and producers may outlive their client; their calls then throw errc::closed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <skald/blocking_service.hpp>
#include <skald/commit.hpp>
#include <skald/group.hpp>
#include <skald/options.hpp>
#include <skald/producer.hpp>
#include <skald/protocol/error.hpp>
#include <skald/queue.hpp>
#include <skald/record.hpp>
#include <skald/subscription.hpp>
#include <skald/topic.hpp>

namespace skald {

namespace detail {
class client_thread;
}

// See skald::subscription.
class blocking_subscription {
 public:
  blocking_subscription();
  ~blocking_subscription();
  blocking_subscription(blocking_subscription&&) noexcept;
  blocking_subscription& operator=(blocking_subscription&&) noexcept;

  // The next delivery; waits without limit.
  records receive();
  // The next delivery, or nothing when none came in this time.
  std::optional<records> receive_for(milliseconds patience);
  void seek(start_point to, call_options options = {});
  void seek(std::span<const partition_start> to, call_options options = {});
  // Of a consumer group's member; see subscription::commit().
  void commit(const record& last, call_options options = {});
  void commit(const records& done, call_options options = {});
  // Commits as close() does and leaves the group, and returns when that is durable.
  void leave(call_options options = {});
  std::string_view topic() const;
  std::vector<partition_position> positions() const;
  // Ends it; a receive() in another thread throws errc::closed. A group's member leaves, and waits until that
  // is done; see leave() for an error.
  void close();

 private:
  friend class blocking_client;
  friend class skald::commit;
  struct state;
  explicit blocking_subscription(std::shared_ptr<state> made);
  void abandon();
  std::shared_ptr<state> state_;
};

// See skald::work_queue. Settling returns at once, as there.
class blocking_queue {
 public:
  blocking_queue();
  ~blocking_queue();
  blocking_queue(blocking_queue&&) noexcept;
  blocking_queue& operator=(blocking_queue&&) noexcept;

  // The next records; waits without limit.
  deliveries receive();
  // The next records, or nothing when none came in this time.
  std::optional<deliveries> receive_for(milliseconds patience);

  void ack(const delivery& what);
  void ack(const deliveries& what);
  void nack(const delivery& what, std::optional<milliseconds> delay = {}, std::string_view reason = {});
  void reject(const delivery& what, std::string_view reason);
  void release(const delivery& what);
  void extend(const delivery& what, milliseconds time);
  // Returns when all settled so far is durable.
  void flush(call_options options = {});

  std::string_view topic() const;
  std::string_view queue() const;
  // Ends it; a receive() in another thread throws errc::closed.
  void close();

 private:
  friend class blocking_client;
  struct state;
  explicit blocking_queue(std::shared_ptr<state> made);
  std::shared_ptr<state> state_;
};

class blocking_client {
 public:
  // Starts the thread; does no I/O. Throws skald::error (invalid_request) for an address that is none.
  explicit blocking_client(client_options options = {});
  // Closes.
  ~blocking_client();
  blocking_client(blocking_client&&) noexcept;
  blocking_client& operator=(blocking_client&&) noexcept;

  void connect(connect_options options = {});
  published publish(std::string_view topic, const message& what, publish_options options = {});
  committed commit(skald::commit&& what, call_options options = {});
  std::vector<timer_info> list_timers(list_timers_options options = {});
  key_records read_key(std::string_view topic, std::string_view key, read_key_options options = {});
  std::vector<key_info> list_keys(std::string_view topic, list_keys_options options = {});
  blocking_subscription subscribe(std::string_view topic, subscribe_options options = {});
  records fetch(std::string_view topic, partition_id partition, offset from, fetch_options options = {});
  std::vector<partition_offset> list_offsets(std::string_view topic, list_offsets_options options = {});

  reply request(std::string_view subject, std::string_view body = {}, request_options options = {});
  std::vector<instance_reply> request_all(std::string_view subject, std::string_view body = {},
                                          request_all_options options = {});
  blocking_responder serve(std::string_view subject, serve_options options = {});
  std::vector<service_info> list_services(list_services_options options = {});
  blocking_service_watch watch_services(watch_services_options options = {});

  void create_topic(std::string_view name, topic_settings settings = {}, create_topic_options options = {});
  void alter_topic(std::string_view name, topic_settings settings, call_options options = {});
  void delete_topic(std::string_view name, call_options options = {});
  topic_info describe_topic(std::string_view name, call_options options = {});
  std::vector<topic_info> list_topics(call_options options = {});
  std::vector<group_summary> list_groups(call_options options = {});
  group_info describe_group(std::string_view name, call_options options = {});
  void move_group(std::string_view name, std::span<const group_position> to, call_options options = {});
  void delete_group(std::string_view name, call_options options = {});
  broker_status status(call_options options = {});

  blocking_queue open_queue(std::string_view topic, std::string_view queue, open_queue_options options = {});
  void create_queue(std::string_view topic, std::string_view queue, queue_settings settings = {},
                    create_queue_options options = {});
  void alter_queue(std::string_view topic, std::string_view queue, queue_settings settings,
                   call_options options = {});
  void delete_queue(std::string_view topic, std::string_view queue, call_options options = {});
  queue_info describe_queue(std::string_view topic, std::string_view queue, call_options options = {});
  std::vector<queue_info> list_queues(std::string_view topic = {}, call_options options = {});
  peeked_records peek_queue(std::string_view topic, std::string_view queue, partition_id partition,
                            peek_options options = {});
  std::uint64_t retry_queue(std::string_view topic, std::string_view queue, call_options options = {});
  std::uint64_t purge_queue(std::string_view topic, std::string_view queue, purge_options options = {});
  std::uint64_t retry_dead(std::string_view topic, std::string_view queue, partition_id partition,
                           std::span<const offset> records, call_options options = {});
  std::uint64_t drop_dead(std::string_view topic, std::string_view queue, partition_id partition,
                          std::span<const offset> records, call_options options = {});

  // See skald::client::trouble().
  std::string trouble() const;
  void close();

 private:
  friend class blocking_producer;
  std::shared_ptr<detail::client_thread> thread_;
};

// See skald::producer. Records are encoded in the calling thread, everything else happens in the client's.
class blocking_producer {
 public:
  explicit blocking_producer(blocking_client& broker, producer_options options = {});
  ~blocking_producer();
  blocking_producer(blocking_producer&&) noexcept;
  blocking_producer& operator=(blocking_producer&&) noexcept;

  // Accepts a record if there is room now, and says whether it did.
  bool try_send(std::string_view topic, const message& what);
  // Accepts a record, waiting for room if need be, at most producer_options::delivery_timeout.
  void send(std::string_view topic, const message& what);
  // Accepts a record and returns when it is acknowledged.
  published publish(std::string_view topic, const message& what);
  // Returns when everything accepted before is acknowledged or has failed; throws the first failure that
  // nobody was told about. Without a timeout it waits as long as delivery_timeout lets batches live.
  void flush(call_options options = {});
  // Called for every batch, on the client's thread, in the order of each partition. Set it before the first
  // record. It must not throw, nor wait for this producer.
  void on_delivery(std::function<void(const delivery_report&)> callback);
  producer_statistics statistics() const;
  // Abandons what is not acknowledged.
  void close();

 private:
  std::shared_ptr<detail::client_thread> thread_;
  std::shared_ptr<detail::producer_engine> engine_;
};

}  // namespace skald
