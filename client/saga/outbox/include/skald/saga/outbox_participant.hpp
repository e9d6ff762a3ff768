// Does what sagas ask for in the service's own database.
//
//   outbox::group_committer database(store);
//   sagas::outbox_participant customers(broker, "customers", database);
//   customers.handle<reserve_credit>([&](const reserve_credit& wanted, outbox::transaction& change) {
//     if (!reserve(wanted)) return sagas::answer::failed(insufficient_credit{...});
//     change.publish("customer-events", {...});
//     return sagas::answer::done();
//   });
//   co_await customers.create();
//   co_await customers.run();  // until close()
//
// Each command is handled once: one local transaction notes it and its answer in the inbox, does what the
// handler does, and puts the answer into the outbox. The broker is told that the command is done only then; a
// command that comes again gets the same answer. Commands that come together share a commit. The service's
// relay has to run, or nobody gets an answer.
//
// A compensation whose command has not happened is not handed to its handler: it is answered, and that
// command is refused should it come later. What a handler has written stays when it answers with an error;
// one that throws is undone, and tried again later, as the queue says. A handler may be called again after
// the commit it was part of has failed. A database that cannot be reached is waited for.
//
// The inbox has to remember a command for as long as it may come again: see relay_options::inbox_kept.
//
// Threading, errors and cancellation: as the client's, which has to outlive this, as the database has.
// Handlers run on the database's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <skald/client.hpp>
#include <skald/outbox/group_committer.hpp>
#include <skald/saga/codec.hpp>
#include <skald/saga/participant.hpp>

namespace skald::sagas {

class outbox_participant {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O.
  outbox_participant(client& broker, std::string_view name, outbox::group_committer& database,
                     std::uint32_t concurrency = 256);
  ~outbox_participant();
  outbox_participant(outbox_participant&&) noexcept;
  outbox_participant& operator=(outbox_participant&&) noexcept;

  // answer(const Command&, outbox::transaction&), or void, which is done. Before run().
  template <encodable Command, class F>
  outbox_participant& handle(F work) {
    add(std::string(codec<Command>::name), [work = std::move(work)](std::string_view body,
                                                                    outbox::transaction& change) {
      const Command decoded = codec<Command>::from_bytes(body);
      if constexpr (std::is_void_v<std::invoke_result_t<const F&, const Command&, outbox::transaction&>>) {
        work(decoded, change);
        return answer::done();
      } else {
        return answer(work(decoded, change));
      }
    });
    return *this;
  }

  // Makes its topics and queue, unless they are there.
  awaitable<void> create(saga_topics settings = {});
  // Handles commands, until close(). One at a time. Throws what the broker says about the queue, for good.
  awaitable<void> run();
  // run() ends when what it has begun has ended. Idempotent.
  void close();

  participant_metrics metrics() const;

 private:
  struct core;
  using handler = std::function<answer(std::string_view body, outbox::transaction& change)>;
  void add(std::string command, handler work);
  std::shared_ptr<core> core_;
};

}  // namespace skald::sagas
