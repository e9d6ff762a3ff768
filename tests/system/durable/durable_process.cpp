// A caller or a responder of durable requests that dies where a test wants it to.
//
//   durable_process ADDRESS ask ID STEP          asks the service `double`, and prints the reply
//   durable_process ADDRESS respond STEP         answers one request, and prints its id
//
// It kills itself behind that step; with step `none` it does all of them and ends. The work is to double the
// number that was sent, and to append a record to `ledger`, in the commit.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <skald/skald.hpp>
#include <string>
#include <string_view>
#include <thread>

namespace {

std::string_view last_step;

void step(std::string_view is) {
  if (is != last_step) return;
  std::fflush(stdout);
  ::raise(SIGKILL);
}

int ask(skald::blocking_client& broker, const std::string& id) {
  skald::blocking_durable_service service(broker, "double");
  step("begun");
  if (!service.find(id)) {
    step("looked");
    service.send(id, "21");
    step("sent");
  }
  const skald::durable_reply reply = service.ask(id, "21");
  step("replied");
  std::printf("reply %s\n", reply.body.c_str());
  return 0;
}

int respond(skald::blocking_client& broker) {
  skald::blocking_durable_service service(broker, "double");
  skald::blocking_durable_responder responder = service.serve();
  const skald::durable_request asked = responder.receive();
  step("received");
  skald::commit effect;
  effect.append("ledger", {.key = asked.id(), .value = asked.body()});
  const std::string twice = std::to_string(2 * std::atoi(std::string(asked.body()).c_str()));
  step("worked");
  if (!responder.answer(asked, {.body = twice}, std::move(effect))) return 3;
  step("answered");
  std::printf("answered %s\n", std::string(asked.id()).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string_view what = argv[2];
  last_step = argv[argc - 1];
  try {
    skald::blocking_client broker({.address = argv[1], .timeout = std::chrono::seconds(60)});
    return what == "ask" ? ask(broker, argv[3]) : respond(broker);
  } catch (const skald::error& why) {
    std::fprintf(stderr, "%s\n", why.what());
    return 1;
  }
}
