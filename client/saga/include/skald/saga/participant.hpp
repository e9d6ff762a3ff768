// Does what sagas ask for.
//
//   sagas::participant customers(broker, "customers");
//   customers.handle<reserve_credit>([&](const reserve_credit& wanted, sagas::handling& within) {
//     if (!reserve(wanted, within.command_id())) return sagas::answer::failed(credit_limit_exceeded{...});
//     within.effect.append("reservations", {...});
//     return sagas::answer::done();
//   });
//   co_await customers.create();
//   co_await customers.run();  // until close()
//
// Each command is handled once: in one commit its answer is stored in the inbox and sent, the input is done,
// and whatever the handler has added to `effect` happens. A command that comes again gets the stored answer.
// What a handler does besides may happen again after a crash: it has the command's id to know it by.
//
// A compensation whose command has not happened is not handed to its handler: it is answered, and that
// command is refused should it come later. A handler that throws is tried again later, as the queue says.
//
// Threading, errors and cancellation: as the client's, which has to outlive this. Handlers run on its
// executor.
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
#include <skald/saga/codec.hpp>
#include <skald/saga/orchestrator.hpp>

namespace skald::sagas {

struct answer {
  bool is_failed = false;
  std::string type = {};
  std::string body = {};

  static answer done() { return {}; }
  template <encodable Reply>
  static answer done(const Reply& with) {
    return {false, std::string(codec<Reply>::name), codec<Reply>::to_bytes(with)};
  }
  // It has not happened, and will not. What may work another time is better thrown.
  template <encodable Error>
  static answer failed(const Error& why) {
    return {true, std::string(codec<Error>::name), codec<Error>::to_bytes(why)};
  }
};

class handling {
 public:
  handling(std::string_view saga_id, std::string_view command_id, std::string_view correlation,
           std::uint32_t attempt)
      : saga_id_(saga_id), command_id_(command_id), correlation_(correlation), attempt_(attempt) {}
  std::string_view saga_id() const { return saga_id_; }
  std::string_view command_id() const { return command_id_; }
  std::string_view correlation() const { return correlation_; }
  // 1 for the first. What those before did outside their commits may have been done.
  std::uint32_t attempt() const { return attempt_; }
  commit effect;  // happens with the answer, unless that is an error

 private:
  std::string_view saga_id_;
  std::string_view command_id_;
  std::string_view correlation_;
  std::uint32_t attempt_;
};

struct participant_metrics {
  std::uint64_t handled = 0;
  std::uint64_t repeated = 0;  // answered from the inbox
  std::uint64_t refused = 0;   // actions that came after their compensation
  std::uint64_t empty = 0;     // compensations of what had not happened
  std::uint64_t failures = 0;  // commands given back, to be tried again
  std::uint64_t outages = 0;   // in a database: attempts when it could not be reached
};

class participant {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O.
  participant(client& broker, std::string_view name, std::uint32_t concurrency = 256);
  ~participant();
  participant(participant&&) noexcept;
  participant& operator=(participant&&) noexcept;

  // answer(const Command&, handling&), or void, which is done. Before run().
  template <encodable Command, class F>
  participant& handle(F work) {
    add(std::string(codec<Command>::name), [work = std::move(work)](std::string_view body, handling& within) {
      const Command decoded = codec<Command>::from_bytes(body);
      if constexpr (std::is_void_v<std::invoke_result_t<const F&, const Command&, handling&>>) {
        work(decoded, within);
        return answer::done();
      } else {
        return answer(work(decoded, within));
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
  using handler = std::function<answer(std::string_view body, handling& within)>;
  void add(std::string command, handler work);
  std::shared_ptr<core> core_;
};

}  // namespace skald::sagas
