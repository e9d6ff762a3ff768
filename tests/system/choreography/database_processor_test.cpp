// Choreography with effects in a service's own database: SQLite, and a PostgreSQL server of the test's own.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <skald/outbox/relay.hpp>
#include <stdexcept>

#include "tests/system/choreography/choreography_scene.hpp"
#include "tests/system/outbox/databases.hpp"
#include "tests/system/outbox/unreachable_store.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using choreography::database_processor;
using choreography::local_handling;
using orders::order_created;

// A customers' service: reserves credit in its database, and answers through its outbox. In a thread of its
// own, until it goes.
template <class Database>
class customers_service {
 public:
  // Called with each order after its changes; throws when it is to fail.
  using check = std::function<void(const order_created&, local_handling&)>;

  customers_service(const Database& where, const std::string& address, check then = {},
                    choreography::processor_settings settings = {.backoff_min = 10ms, .backoff_max = 20ms},
                    outage* meets = nullptr)
      : store_(where.open()),
        decorated_(*store_, meets),
        database_(decorated_),
        broker_(io_.get_executor(), {.address = address}),
        processor_(broker_, database_, "customers") {
    processor_.on<order_created>(
        orders::order_topic, [this, then = std::move(then)](const order_created& order, local_handling& in) {
          Database::execute(*store_, "INSERT INTO reserved (customer, number) VALUES ('" +
                                         std::string(in.aggregate_id()) + "', " +
                                         std::to_string(order.number) + ")");
          orders::decide_credit(order, in);
          if (then) then(order, in);
        });
    asio::co_spawn(io_, run(settings), [this](const std::exception_ptr& why) { failure_ = why; });
    thread_ = std::thread([this] { io_.run(); });
  }
  ~customers_service() {
    asio::post(io_, [this] {
      processor_.close();
      broker_.close();
    });
    thread_.join();
    CHECK_FALSE(failure_);
  }
  choreography::processor_metrics metrics() {
    return asio::post(io_, asio::use_future([this] { return processor_.metrics(); })).get();
  }
  outbox::group_committer_statistics commits() const { return database_.statistics(); }

 private:
  asio::awaitable<void> run(choreography::processor_settings settings) {
    try {
      co_await processor_.create(settings);
      co_await processor_.run();
    } catch (const error& why) {
      if (why.code() != errc::closed) throw;  // it may go before it has begun
    }
  }
  std::unique_ptr<typename Database::store_type> store_;
  unreachable_store decorated_;
  outbox::group_committer database_;
  asio::io_context io_;
  client broker_;
  database_processor processor_;
  std::exception_ptr failure_;
  std::thread thread_;
};

template <class Database>
struct database_scene : choreography_scene {
  Database database;
  std::unique_ptr<typename Database::store_type> watching = database.open();

  database_scene() {
    watching->create_tables();
    Database::execute(*watching, "CREATE TABLE reserved (customer text, number integer)");
  }
  std::int64_t reserved(const std::string& which = "") {
    return Database::number(*watching, "SELECT count(*) FROM reserved" + which);
  }
  // Publishes what the outbox holds.
  void relay() { outbox::relay(*watching, outbox::to_broker(broker)).run_once(); }
  // The numbers that were answered under a key, in order.
  std::vector<std::string> answered(const std::string& customer) {
    relay();
    return values(orders::customer_topic, customer);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("events change the database and are answered once, several in a transaction", Database,
                   sqlite_database, postgresql_database) {
  database_scene<Database> on;
  constexpr int count = 60;
  for (int number = 1; number <= count; ++number) on.create_order(number);
  customers_service<Database> customers(on.database, on.address);
  CHECK(becomes([&] { return customers.metrics().handled == count; }));
  CHECK(on.reserved() == count);
  CHECK(customers.commits().commits < count);
  on.relay();
  CHECK(on.records(orders::customer_topic) == count);
  for (int number = 1; number <= count; ++number)
    CHECK(on.types(orders::customer_topic, orders::id_of(number)).size() == 1);
  const record first = *on.broker.fetch(orders::customer_topic, partition_id(0), offset(0)).begin();
  CHECK(tracing::find_header(first, "correlation-id") == "order-events/0/0");
  CHECK(tracing::find_header(first, "causation-id") == "order-events/0/0");
  CHECK(becomes([&] { return on.broker.describe_queue(orders::order_topic, "customers").ready == 0; }));
}

TEST_CASE_TEMPLATE("an event that was published twice is handled once, also by two at once", Database,
                   sqlite_database, postgresql_database) {
  database_scene<Database> on;
  constexpr int pairs = 30;
  for (int pair = 1; pair <= pairs; ++pair)
    for (const char* key : {"a", "b"}) {
      const std::string id = "message-" + std::to_string(pair);
      on.publish(orders::order_topic, key + std::to_string(pair), order_created{pair}, id);
    }
  customers_service<Database> one(on.database, on.address);
  customers_service<Database> other(on.database, on.address);
  CHECK(becomes([&] {
    const auto first = one.metrics();
    const auto second = other.metrics();
    return first.handled + second.handled + first.duplicates + second.duplicates >= 2 * pairs;
  }));
  CHECK(on.reserved() == pairs);
  on.relay();
  CHECK(on.records(orders::customer_topic) == pairs);
}

TEST_CASE_TEMPLATE("a poison event is parked with the later ones of its key, and leaves nothing", Database,
                   sqlite_database, postgresql_database) {
  database_scene<Database> on;
  std::atomic<bool> mended{false};
  customers_service<Database> customers(on.database, on.address,
                                        [&](const order_created& order, local_handling& in) {
                                          if (in.aggregate_id() == "bad" && order.number == 2 && !mended)
                                            throw std::runtime_error("cannot digest 2");
                                        },
                                        {.backoff_min = 1h, .backoff_max = 1h});
  for (int number = 1; number <= 3; ++number)
    for (const char* key : {"bad", "good", "better"})
      on.publish(orders::order_topic, key, order_created{number});
  CHECK(becomes([&] { return customers.metrics().handled == 7; }));
  CHECK(becomes([&] { return on.broker.describe_queue(orders::order_topic, "customers").parked == 1; }));
  CHECK(on.reserved(" WHERE customer = 'bad'") == 1);
  std::vector<std::string> reasons;
  for (const peeked_record& one :
       on.broker.peek_queue(orders::order_topic, "customers", partition_id(0)).records)
    if (!one.reason.empty()) reasons.push_back(one.reason);
  CHECK(reasons == std::vector<std::string>{"cannot digest 2"});
  CHECK(on.answered("bad") == std::vector<std::string>{"1"});
  CHECK(on.answered("good") == std::vector<std::string>{"1", "2", "3"});

  mended = true;
  CHECK(on.broker.retry_queue(orders::order_topic, "customers") == 1);
  CHECK(becomes([&] { return customers.metrics().handled == 9; }));
  CHECK(on.answered("bad") == std::vector<std::string>{"1", "2", "3"});
  CHECK(on.reserved() == 9);
}

TEST_CASE_TEMPLATE("a failed event keeps its place before the later ones of its key", Database,
                   sqlite_database, postgresql_database) {
  database_scene<Database> on;
  customers_service<Database> customers(on.database, on.address,
                                        [&](const order_created& order, local_handling& in) {
                                          if (order.number % 2 == 1 && in.attempt() < 3)
                                            throw std::runtime_error("not yet");
                                        });
  for (int number = 1; number <= 4; ++number)
    for (const char* key : {"one", "other"}) on.publish(orders::order_topic, key, order_created{number});
  CHECK(becomes([&] { return customers.metrics().handled == 8; }));
  CHECK(customers.metrics().failures == 8);
  CHECK(on.answered("one") == std::vector<std::string>{"1", "2", "3", "4"});
  CHECK(on.answered("other") == std::vector<std::string>{"1", "2", "3", "4"});
}

TEST_CASE_TEMPLATE("a database that cannot be reached is waited for, which is no event's fault", Database,
                   sqlite_database, postgresql_database) {
  database_scene<Database> on;
  outage meets;
  std::atomic<std::uint32_t> attempts_max{0};
  for (int number = 1; number <= 5; ++number) on.create_order(number);
  {
    customers_service<Database> customers(
        on.database, on.address,
        [&](const order_created&, local_handling& in) {
          attempts_max = std::max(attempts_max.load(), in.attempt());
        },
        {}, &meets);
    CHECK(becomes([&] { return customers.metrics().handled == 5; }));
    CHECK(customers.metrics().outages >= 3);
    CHECK(customers.metrics().failures == 0);
  }
  CHECK(attempts_max == 1);
  CHECK(meets.reconnects == 3);
}

}  // namespace skald::tests
