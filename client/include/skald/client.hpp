// An asynchronous client of a broker.
//
//   asio::awaitable<void> follow(skald::client& broker) {
//     co_await broker.publish("orders", {.key = "42", .value = "created"});
//     auto orders = co_await broker.subscribe("orders", {.from = skald::earliest});
//     for (;;)
//       for (const skald::record& r : co_await orders.receive()) handle(r);
//   }
//
// Connection. One TCP connection carries everything, any number of operations at a time. It is opened by the
// first operation and, until close(), opened again whenever it is lost; there is nothing to run besides the
// executor. Operations wait for a connection as long as their timeout allows.
//
// Lost connections. publish(), commit() and everything that only reads is repeated on the next connection: a
// repeated publish or commit is recognised by the broker and never done twice. request(), create_topic,
// alter_topic and delete_topic fail with connection_lost when the connection went after they were sent,
// because they may or may not have happened.
//
// Errors. Each operation completes with void(std::exception_ptr, result); the exception is always a
// skald::error, whose text says what, where and what to do. With co_await it is thrown. Besides what the
// broker answers there are deadline_exceeded (the timeout passed; what() says whether the broker may have
// acted), cannot_connect (it passed without any connection), cancelled, and closed.
//
// Cancellation. Every operation supports all of Asio's cancellation types. A cancelled operation completes
// with errc::cancelled; whether the broker has acted is then unknown.
//
// Completion tokens. The last argument of each operation is an Asio completion token, by default
// use_awaitable. All other arguments are read before the call returns, so that they may be temporaries with
// any token.
//
// Threading. Not thread safe: use a client, and what was made from it, on its executor only, which runs one
// thing at a time (an io_context with one thread, or a strand). For threads there is skald::blocking_client.
//
// Lifetime. Destroying a client closes it: pending operations complete with errc::closed. An open connection
// counts as work of the executor: io_context::run() does not return before close().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/commit.hpp>
#include <skald/detail/completion.hpp>
#include <skald/group.hpp>
#include <skald/options.hpp>
#include <skald/protocol/error.hpp>
#include <skald/queue.hpp>
#include <skald/record.hpp>
#include <skald/service.hpp>
#include <skald/subscription.hpp>
#include <skald/topic.hpp>

namespace skald {

namespace detail {
class committer;
class connection;
class producer_engine;
}  // namespace detail

class client {
 public:
  using executor_type = boost::asio::any_io_executor;
  using default_token = boost::asio::use_awaitable_t<>;

  // Does no I/O. Throws skald::error (invalid_request) for an address that is none.
  explicit client(executor_type executor, client_options options = {});
  ~client();
  client(client&&) noexcept;
  client& operator=(client&&) noexcept;

  executor_type get_executor() const;

  // Opens the connection now, to learn early whether there is a broker. Never necessary. -> void
  template <class Token = default_token>
  auto connect(connect_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_connect(options), std::forward<Token>(token));
  }

  // Publishes one record, durably unless told otherwise; completes when it is acknowledged. -> published
  // Records published from one client to one partition keep the order of the calls. For many records a second
  // see skald::producer.
  template <class Token = default_token>
  auto publish(std::string_view topic, const message& what, publish_options options = {},
               Token&& token = {}) {
    return detail::initiate(prepare_publish(topic, what, options), std::forward<Token>(token));
  }

  // Makes all changes of a unit of work, durably, or none of them. Throws commit_refused with the part that
  // is to blame when the broker refuses it. -> committed
  template <class Token = default_token>
  auto commit(skald::commit&& what, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_commit(std::move(what), options), std::forward<Token>(token));
  }

  // The named timers that wait, in order of name, owner by owner. -> std::vector<timer_info>
  template <class Token = default_token>
  auto list_timers(list_timers_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_timers(options), std::forward<Token>(token));
  }

  // The records of one key of a topic with an index of keys. Fails with unknown_key when there is none.
  // -> key_records
  template <class Token = default_token>
  auto read_key(std::string_view topic, std::string_view key, read_key_options options = {},
                Token&& token = {}) {
    return detail::initiate(prepare_read_key(topic, key, options), std::forward<Token>(token));
  }

  // The keys of a topic with an index of keys, in byte order, without those whose newest record is a
  // tombstone. -> std::vector<key_info>
  template <class Token = default_token>
  auto list_keys(std::string_view topic, list_keys_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_keys(topic, options), std::forward<Token>(token));
  }

  // Begins to receive the records of a topic, or of all topics that match a pattern. -> subscription
  template <class Token = default_token>
  auto subscribe(std::string_view topic, subscribe_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_subscribe(topic, options), std::forward<Token>(token));
  }

  // Reads one partition once, from `from`. Without records there when options.wait has passed. -> records
  template <class Token = default_token>
  auto fetch(std::string_view topic, partition_id partition, offset from, fetch_options options = {},
             Token&& token = {}) {
    return detail::initiate(prepare_fetch(topic, partition, from, options), std::forward<Token>(token));
  }

  // The offset in each partition that `options.at` means now. -> std::vector<partition_offset>
  template <class Token = default_token>
  auto list_offsets(std::string_view topic, list_offsets_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_offsets(topic, options), std::forward<Token>(token));
  }

  // Asks one instance of the service. Throws no_responders at once when there are none, responder_lost when
  // the instance went with the request, and responder_error when it says that it failed. A cancelled request
  // is taken back, and its responder told. -> reply
  template <class Token = default_token>
  auto request(std::string_view subject, std::string_view body = {}, request_options options = {},
               Token&& token = {}) {
    return detail::initiate(prepare_request(subject, body, options), std::forward<Token>(token));
  }

  // Asks all healthy instances, and collects what they say until the last, options.replies_max replies, or
  // the timeout: also which failed. Throws no_responders when there are none. -> std::vector<instance_reply>
  template <class Token = default_token>
  auto request_all(std::string_view subject, std::string_view body = {}, request_all_options options = {},
                   Token&& token = {}) {
    return detail::initiate(prepare_request_all(subject, body, options), std::forward<Token>(token));
  }

  // Begins to answer requests as an instance of the service. -> responder
  template <class Token = default_token>
  auto serve(std::string_view subject, serve_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_serve(subject, options), std::forward<Token>(token));
  }

  // The services there are, in order of subject. -> std::vector<service_info>
  template <class Token = default_token>
  auto list_services(list_services_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_services(options), std::forward<Token>(token));
  }

  // Begins to be told of instances: those there are, then every change. -> service_watch
  template <class Token = default_token>
  auto watch_services(watch_services_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_watch_services(options), std::forward<Token>(token));
  }

  // -> void
  template <class Token = default_token>
  auto create_topic(std::string_view name, topic_settings settings = {}, create_topic_options options = {},
                    Token&& token = {}) {
    return detail::initiate(prepare_create_topic(name, settings, options), std::forward<Token>(token));
  }

  // Changes the settings that are given; partitions can only be added. -> void
  template <class Token = default_token>
  auto alter_topic(std::string_view name, topic_settings settings, call_options options = {},
                   Token&& token = {}) {
    return detail::initiate(prepare_alter_topic(name, settings, options), std::forward<Token>(token));
  }

  // Deletes the topic with all its records. Its subscriptions end. -> void
  template <class Token = default_token>
  auto delete_topic(std::string_view name, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_delete_topic(name, options), std::forward<Token>(token));
  }

  // -> topic_info, with partitions
  template <class Token = default_token>
  auto describe_topic(std::string_view name, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_describe_topic(name, options), std::forward<Token>(token));
  }

  // All topics, in order of name. -> std::vector<topic_info>, without partitions
  template <class Token = default_token>
  auto list_topics(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_topics(options), std::forward<Token>(token));
  }

  // All consumer groups that have members or positions, in order of name. -> std::vector<group_summary>
  template <class Token = default_token>
  auto list_groups(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_groups(options), std::forward<Token>(token));
  }

  // Members, assignments, positions and lag. Fails with unknown_group. -> group_info
  template <class Token = default_token>
  auto describe_group(std::string_view name, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_describe_group(name, options), std::forward<Token>(token));
  }

  // Sets where a group goes on, all of it or nothing; other partitions stay. Makes the group if need be.
  // Fails with group_in_use while members have these partitions, and offset_out_of_range for an offset past
  // the end. -> void
  template <class Token = default_token>
  auto move_group(std::string_view name, std::span<const group_position> to, call_options options = {},
                  Token&& token = {}) {
    return detail::initiate(prepare_move_group(name, to, options), std::forward<Token>(token));
  }

  // Forgets a group's positions. Fails with group_in_use while it has members. -> void
  template <class Token = default_token>
  auto delete_group(std::string_view name, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_delete_group(name, options), std::forward<Token>(token));
  }

  // ---- queues ----

  // Begins to receive a queue's records, each leased to one consumer at a time. -> work_queue
  template <class Token = default_token>
  auto open_queue(std::string_view topic, std::string_view queue, open_queue_options options = {},
                  Token&& token = {}) {
    return detail::initiate(prepare_open_queue(topic, queue, options), std::forward<Token>(token));
  }

  // -> void
  template <class Token = default_token>
  auto create_queue(std::string_view topic, std::string_view queue, queue_settings settings = {},
                    create_queue_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_create_queue(topic, queue, settings, options),
                            std::forward<Token>(token));
  }

  // Changes the settings that are given. -> void
  template <class Token = default_token>
  auto alter_queue(std::string_view topic, std::string_view queue, queue_settings settings,
                   call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_alter_queue(topic, queue, settings, options), std::forward<Token>(token));
  }

  // Deletes the queue, not the records; its consumers end. Dead letters stay where they are. -> void
  template <class Token = default_token>
  auto delete_queue(std::string_view topic, std::string_view queue, call_options options = {},
                    Token&& token = {}) {
    return detail::initiate(prepare_delete_queue(topic, queue, options), std::forward<Token>(token));
  }

  // -> queue_info, with partitions
  template <class Token = default_token>
  auto describe_queue(std::string_view topic, std::string_view queue, call_options options = {},
                      Token&& token = {}) {
    return detail::initiate(prepare_describe_queue(topic, queue, options), std::forward<Token>(token));
  }

  // The queues of a topic, or, if it is empty, of all, in order of name. -> std::vector<queue_info>
  template <class Token = default_token>
  auto list_queues(std::string_view topic = {}, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_list_queues(topic, options), std::forward<Token>(token));
  }

  // Shows records that are not settled, without leasing them. -> peeked_records
  template <class Token = default_token>
  auto peek_queue(std::string_view topic, std::string_view queue, partition_id partition,
                  peek_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_peek_queue(topic, queue, partition, options), std::forward<Token>(token));
  }

  // Makes all parked records due now. -> std::uint64_t, how many they were
  template <class Token = default_token>
  auto retry_queue(std::string_view topic, std::string_view queue, call_options options = {},
                   Token&& token = {}) {
    return detail::initiate(prepare_retry_queue(topic, queue, options), std::forward<Token>(token));
  }

  // Settles all records that the topic holds, whoever has them. -> std::uint64_t, how many they were
  template <class Token = default_token>
  auto purge_queue(std::string_view topic, std::string_view queue, purge_options options = {},
                   Token&& token = {}) {
    return detail::initiate(prepare_purge_queue(topic, queue, options), std::forward<Token>(token));
  }

  // Of the queue's dead-letter topic: puts these records back into the topics they came from, where they
  // begin anew; or drops them. Those dealt with before are passed over. -> std::uint64_t, how many it did
  template <class Token = default_token>
  auto retry_dead(std::string_view topic, std::string_view queue, partition_id partition,
                  std::span<const offset> records, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_settle_dead(topic, queue, partition, records, false, options),
                            std::forward<Token>(token));
  }
  template <class Token = default_token>
  auto drop_dead(std::string_view topic, std::string_view queue, partition_id partition,
                 std::span<const offset> records, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_settle_dead(topic, queue, partition, records, true, options),
                            std::forward<Token>(token));
  }

  // -> broker_status
  template <class Token = default_token>
  auto status(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_status(options), std::forward<Token>(token));
  }

  // Why there is no connection at the moment: what ended the last one, or the last attempt to open one. Empty
  // while there is one, and before it is needed for the first time.
  std::string trouble() const;

  // Closes the connection for good; whatever is pending completes with errc::closed. Idempotent. Records that
  // are not yet acknowledged may or may not be stored: await them, or flush the producer, first.
  void close();

 private:
  friend class producer;
  friend class blocking_client;
  friend class blocking_producer;

  detail::operation<> prepare_connect(connect_options options);
  detail::operation<published> prepare_publish(std::string_view topic, const message& what,
                                               publish_options options);
  detail::operation<published> prepare_timed_publish(std::string_view topic, const message& what,
                                                     publish_options options);
  detail::operation<std::vector<timer_info>> prepare_list_timers(list_timers_options options);
  const std::shared_ptr<detail::committer>& shared_committer();
  detail::operation<committed> prepare_commit(skald::commit&& what, call_options options);
  detail::operation<key_records> prepare_read_key(std::string_view topic, std::string_view key,
                                                  read_key_options options);
  detail::operation<std::vector<key_info>> prepare_list_keys(std::string_view topic,
                                                             list_keys_options options);
  detail::operation<subscription> prepare_subscribe(std::string_view topic, subscribe_options options);
  detail::operation<records> prepare_fetch(std::string_view topic, partition_id partition, offset from,
                                           fetch_options options);
  detail::operation<std::vector<partition_offset>> prepare_list_offsets(std::string_view topic,
                                                                        list_offsets_options options);
  detail::operation<reply> prepare_request(std::string_view subject, std::string_view body,
                                           request_options options);
  detail::operation<std::vector<instance_reply>> prepare_request_all(std::string_view subject,
                                                                     std::string_view body,
                                                                     request_all_options options);
  detail::operation<responder> prepare_serve(std::string_view subject, serve_options options);
  detail::operation<std::vector<service_info>> prepare_list_services(list_services_options options);
  detail::operation<service_watch> prepare_watch_services(watch_services_options options);
  detail::operation<> prepare_create_topic(std::string_view name, topic_settings settings,
                                           create_topic_options options);
  detail::operation<> prepare_alter_topic(std::string_view name, topic_settings settings,
                                          call_options options);
  detail::operation<> prepare_delete_topic(std::string_view name, call_options options);
  detail::operation<topic_info> prepare_describe_topic(std::string_view name, call_options options);
  detail::operation<std::vector<topic_info>> prepare_list_topics(call_options options);
  detail::operation<std::vector<group_summary>> prepare_list_groups(call_options options);
  detail::operation<group_info> prepare_describe_group(std::string_view name, call_options options);
  detail::operation<> prepare_move_group(std::string_view name, std::span<const group_position> to,
                                         call_options options);
  detail::operation<> prepare_delete_group(std::string_view name, call_options options);
  detail::operation<broker_status> prepare_status(call_options options);
  detail::operation<work_queue> prepare_open_queue(std::string_view topic, std::string_view queue,
                                                   open_queue_options options);
  detail::operation<> prepare_create_queue(std::string_view topic, std::string_view queue,
                                           queue_settings settings, create_queue_options options);
  detail::operation<> prepare_alter_queue(std::string_view topic, std::string_view queue,
                                          queue_settings settings, call_options options);
  detail::operation<> prepare_delete_queue(std::string_view topic, std::string_view queue,
                                           call_options options);
  detail::operation<queue_info> prepare_describe_queue(std::string_view topic, std::string_view queue,
                                                       call_options options);
  detail::operation<std::vector<queue_info>> prepare_list_queues(std::string_view topic,
                                                                 call_options options);
  detail::operation<peeked_records> prepare_peek_queue(std::string_view topic, std::string_view queue,
                                                       partition_id partition, peek_options options);
  detail::operation<std::uint64_t> prepare_retry_queue(std::string_view topic, std::string_view queue,
                                                       call_options options);
  detail::operation<std::uint64_t> prepare_purge_queue(std::string_view topic, std::string_view queue,
                                                       purge_options options);
  detail::operation<std::uint64_t> prepare_settle_dead(std::string_view topic, std::string_view queue,
                                                       partition_id partition,
                                                       std::span<const offset> records, bool drop,
                                                       call_options options);

  std::shared_ptr<detail::connection> connection_;
  // publish() goes through these, one for each durability that was asked for.
  std::shared_ptr<detail::producer_engine> publishers_[3];
  std::shared_ptr<detail::committer> committer_;
};

}  // namespace skald
