// A service's own database, in SQLite: one thread that changes it, in durable transactions that many requests
// and commands share, another that publishes what they have put into the outbox, and one that reports what
// waits there, for `skald doctor`.
#pragma once

#include <boost/json.hpp>
#include <filesystem>
#include <skald/blocking_client.hpp>
#include <skald/health/reporter.hpp>
#include <skald/outbox/group_committer.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <string>
#include <thread>
#include <utility>

#include "client/samples/orders/common/host.hpp"

namespace shop {

class service_database {
 public:
  // Makes file and directory if need be.
  service_database(const std::filesystem::path& file, const std::string& broker_address);
  ~service_database();
  service_database(const service_database&) = delete;
  service_database& operator=(const service_database&) = delete;

  sqlite3* connection() { return store_.connection(); }
  skald::outbox::group_committer& committer() { return committer_; }
  // Once the topics are there.
  void start_relay();

  // A handler of requests that works in a transaction, from a function (const request&, transaction&).
  template <class Work>
  host::handler within_transaction(Work work) {
    return [this, work = std::move(work)](const request& asked) -> asio::awaitable<boost::json::value> {
      boost::json::value answer = co_await committer_.run(
          [&](skald::outbox::transaction& change) { return boost::json::value(work(asked, change)); });
      co_return answer;
    };
  }

 private:
  skald::outbox::sqlite_store store_;
  skald::outbox::sqlite_store relay_store_;
  skald::blocking_client relay_broker_;
  skald::outbox::relay relay_;
  skald::outbox::group_committer committer_;
  std::thread relay_thread_;
  skald::outbox::sqlite_store watched_store_;
  skald::health::reporter health_;
};

}  // namespace shop
