// A broker and the sample services, each a process of its own, and what a customer can ask of them.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <skald/blocking_client.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/support/becomes.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace json = boost::json;

// What the services answer, or why they do not.
struct shop_answer {
  json::value body;
  int refused = 0;  // the code of the refusal
  std::string why;
  std::string text(const char* field) const { return std::string(body.at(field).as_string()); }
  std::int64_t number(const char* field) const { return body.at(field).as_int64(); }
};

// How the services are coordinated: SHOP_STYLE of the environment, by default orchestration.
inline std::string shop_style() {
  const char* const asked = std::getenv("SHOP_STYLE");
  return asked != nullptr ? asked : "orchestration";
}
inline bool is_choreographed() {
  return shop_style() == "choreography";
}

class shop_scene {
 public:
  enum class service : std::uint8_t { customers, orders, history };
  static constexpr std::array all_services{service::customers, service::orders, service::history};

  // Starts all of it.
  explicit shop_scene(std::vector<std::string> more_of_orders = {})
      : more_of_orders_(std::move(more_of_orders)) {
    for (const service one : all_services) start(one);
    for (const service one : all_services) REQUIRE(process(one).wait_errors("ready"));
  }

  void start(service which) {
    std::vector<std::string> arguments{"--broker", server.address(), "--data-dir", data().string()};
    if (which != service::history) arguments.insert(arguments.end(), {"--style", shop_style()});
    if (which == service::orders)
      arguments.insert(arguments.end(), more_of_orders_.begin(), more_of_orders_.end());
    static constexpr std::array programs{CUSTOMER_SERVICE, ORDER_SERVICE, HISTORY_SERVICE};
    const char* const program = programs.at(static_cast<std::size_t>(which));
    processes_[which] = std::make_unique<child_process>(program, arguments);
  }
  // SIGKILL, and starts it again.
  void kill(service which) {
    process(which).send_signal(SIGKILL);
    process(which).wait();
    start(which);
  }
  void kill_broker() {
    server.kill();
    server.start();
  }
  child_process& process(service which) { return *processes_.at(which); }
  std::filesystem::path data() const { return directory.path() / "shop"; }

  // Asks until somebody answers: a service may just be starting, and does the same request only once.
  shop_answer ask(const std::string& subject, const std::string& body = "{}") {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      try {
        return {.body = json::parse(broker.request(subject, body).body), .why = {}};
      } catch (const responder_error& refused) {
        return {.body = {}, .refused = refused.responder_code(), .why = refused.what()};
      } catch (const error& nobody) {
        if (std::chrono::steady_clock::now() > deadline) throw;
        std::this_thread::sleep_for(milliseconds(5));
      }
    }
  }
  void create_customer(const std::string& id, std::int64_t limit) {
    const json::value wanted{{"customer", id}, {"name", "name of " + id}, {"limit", limit}};
    const shop_answer made = ask("customers.create", json::serialize(wanted));
    REQUIRE_MESSAGE(made.refused == 0, made.why);
  }
  void create_order(const std::string& id, const std::string& customer, std::int64_t amount) {
    const json::value wanted{{"order", id}, {"customer", customer}, {"amount", amount}};
    const shop_answer made = ask("orders.create", json::serialize(wanted));
    REQUIRE_MESSAGE(made.refused == 0, made.why);
  }
  shop_answer order(const std::string& id) {
    return ask("orders.get", json::serialize(json::value{{"order", id}}));
  }
  shop_answer customer(const std::string& id) {
    return ask("customers.get", json::serialize(json::value{{"customer", id}}));
  }
  shop_answer history(const std::string& customer) {
    return ask("history.get", json::serialize(json::value{{"customer", customer}}));
  }
  // The states in the history of a customer, one behind the other.
  std::string states_in_history(const std::string& customer) {
    const shop_answer found = history(customer);
    std::string states;
    if (found.refused == 0)
      for (const json::value& one : found.body.at("orders").as_array())
        states +=
            std::string(one.at("order").as_string()) + " " + std::string(one.at("state").as_string()) + ";";
    return states;
  }
  std::string state_of(const std::string& id) { return order(id).text("state"); }
  bool becomes_state(const std::string& id, const std::string& state) {
    return becomes([&] { return state_of(id) == state; });
  }

  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path() / "broker"};
  std::string address = server.address();
  blocking_client broker{
      {.address = address, .reconnect_delay_min = milliseconds(5), .reconnect_delay_max = milliseconds(50)}};

 private:
  std::vector<std::string> more_of_orders_;
  std::map<service, std::unique_ptr<child_process>> processes_;
};

}  // namespace skald::tests
