// How many orders a second the sample services bring to their end: customer and order service in processes of
// their own, each with its database in SQLite, durable; broker and this driver beside them. An order ends
// when the order service says that it is confirmed or rejected.
//
//   orders_bench [--in-flight 64] [--seconds 10] [--style orchestration]
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <skald/client.hpp>
#include <string>
#include <vector>

#include "bench/limit/process.hpp"
#include "bench/throughput/broker_process.hpp"

namespace skald::bench {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using steady_clock = std::chrono::steady_clock;

constexpr int customers = 1'000;
constexpr std::string_view order_events = "shop.orders";

struct settings {
  int in_flight = 64;
  int seconds = 10;
  std::string style = "orchestration";
};

// One order after the other, so many lanes at a time.
struct lane {
  explicit lane(const asio::any_io_executor& on) : ended(on) {}
  asio::steady_timer ended;  // cancelled when its order has ended
  int number = 0;
};

class driver {
 public:
  driver(const std::string& address, const settings& with)
      : broker_(io_.get_executor(), {.address = address, .timeout = std::chrono::seconds(60)}), with_(with) {}

  void run() {
    std::exception_ptr failed;
    asio::co_spawn(io_, drive(), [&](const std::exception_ptr& why) {
      failed = why;
      io_.stop();
    });
    io_.run();
    if (failed) std::rethrow_exception(failed);
  }
  void report() {
    std::ranges::sort(latencies_);
    const auto at = [&](double share) {
      const auto index = static_cast<std::size_t>(share * static_cast<double>(latencies_.size() - 1));
      return std::chrono::duration<double, std::milli>(latencies_.at(index)).count();
    };
    std::cout << std::fixed << std::setprecision(1) << with_.style << ", " << with_.in_flight
              << " in flight: " << latencies_.size() / static_cast<std::size_t>(with_.seconds)
              << " orders/s; median " << at(0.5) << " ms, 99 % " << at(0.99) << " ms\n";
  }

 private:
  asio::awaitable<void> drive() {
    co_await create_customers();
    subscription events = co_await broker_.subscribe(order_events, {.from = latest});
    for (int i = 0; i < with_.in_flight; ++i) {
      lanes_.emplace_back(std::make_unique<lane>(io_.get_executor()));
      asio::co_spawn(io_, order_again_and_again(i), asio::detached);
    }
    // The first second warms up.
    begin_ = steady_clock::now() + std::chrono::seconds(1);
    end_ = begin_ + std::chrono::seconds(with_.seconds);
    while (steady_clock::now() < end_) {
      const records some = co_await events.receive();
      for (const record& one : some) note(one);
    }
  }
  // Customers with credit for whatever comes. The service may just be starting.
  asio::awaitable<void> create_customers() {
    for (int i = 0; i < customers;) {
      const std::string wanted = json::serialize(json::object{
          {"customer", "customer-" + std::to_string(i)}, {"name", "A"}, {"limit", 1'000'000'000'000}});
      if (co_await ask("customers.create", wanted)) ++i;
    }
    // And the order service: one order.
    const std::string first = R"({"order": "first", "customer": "customer-0", "amount": 1})";
    while (!co_await ask("orders.create", first)) {
    }
  }
  asio::awaitable<bool> ask(std::string_view subject, const std::string& body) {
    try {
      co_await broker_.request(subject, body);
      co_return true;
    } catch (const error& why) {
      if (why.code() != errc::no_responders) throw;
    }
    asio::steady_timer pause(io_, milliseconds(10));
    co_await pause.async_wait(asio::use_awaitable);
    co_return false;
  }
  asio::awaitable<void> order_again_and_again(int which) {
    lane& mine = *lanes_.at(static_cast<std::size_t>(which));
    for (;; ++mine.number) {
      const std::string id = std::to_string(which) + "-" + std::to_string(mine.number);
      const std::string customer = "customer-" + std::to_string((which * 131 + mine.number) % customers);
      const std::string body =
          json::serialize(json::object{{"order", id}, {"customer", customer}, {"amount", 1}});
      const auto began = steady_clock::now();
      mine.ended.expires_at(steady_clock::time_point::max());
      co_await broker_.request("orders.create", body);
      boost::system::error_code cancelled;
      // It may have ended before the reply to its request came.
      if (mine.ended.expiry() == steady_clock::time_point::max())
        co_await mine.ended.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
      const auto now = steady_clock::now();
      if (now >= begin_ && now < end_) latencies_.push_back(now - began);
    }
  }
  void note(const record& event) {
    std::string_view type;
    for (const header& each : event.headers())
      if (each.key == "event-type") type = each.value.value_or("");
    if (type != "order-confirmed" && type != "order-rejected") return;
    const std::string_view id = event.key().value_or("");
    const std::size_t dash = id.find('-');
    if (dash == std::string_view::npos) return;  // the first
    lane& of = *lanes_.at(std::stoul(std::string(id.substr(0, dash))));
    if (std::to_string(of.number) == id.substr(dash + 1))
      of.ended.expires_at(steady_clock::time_point::min());
  }

  asio::io_context io_{1};
  client broker_;
  settings with_;
  std::vector<std::unique_ptr<lane>> lanes_;
  steady_clock::time_point begin_;
  steady_clock::time_point end_;
  std::vector<steady_clock::duration> latencies_;
};

// Becomes another program.
void execute(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& one : arguments) argv.push_back(one.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  throw std::system_error(errno, std::generic_category(), arguments.front());
}

void measure(const settings& with) {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string name = (std::filesystem::current_path() / "orders-bench-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(name.data());
  {
    const broker_process broker(here / SKALDD_FROM_HERE, directory / "broker", directory / "skaldd.log");
    const auto service = [&](const char* program) {
      return std::make_unique<limit::child_process>([&, program] {
        execute({(here / program).string(), "--broker", broker.address(), "--data-dir", directory.string(),
                 "--style", with.style});
      });
    };
    const auto customer_service = service(CUSTOMER_SERVICE_FROM_HERE);
    const auto order_service = service(ORDER_SERVICE_FROM_HERE);
    driver drives(broker.address(), with);
    drives.run();
    drives.report();
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace skald::bench

int main(int argc, char** argv) {
  CLI::App app("Orders a second that the sample services bring to their end.");
  skald::bench::settings with;
  app.add_option("--in-flight", with.in_flight, "How many orders at a time [64]")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", with.seconds, "How long [10]")->check(CLI::Range(1, 3'600));
  app.add_option("--style", with.style, "orchestration or choreography [orchestration]");
  CLI11_PARSE(app, argc, argv);
  try {
    skald::bench::measure(with);
    return 0;
  } catch (const std::exception& why) {
    std::cerr << "orders_bench: " << why.what() << "\n";
    return 1;
  }
}
