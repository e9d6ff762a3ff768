// Asks for something to be done once, and gets the stored reply however often it is asked.
//
//   skaldd --data-dir /tmp/skald-data &
//   durable_request serve &
//   durable_request ask order-42 21          # kill it, and ask again: the same reply, the work done once
#include <exception>
#include <iostream>
#include <skald/skald.hpp>
#include <string>
#include <string_view>

namespace {

void serve(skald::blocking_durable_service& service) {
  skald::blocking_durable_responder responder = service.serve();
  responder.run([](const skald::durable_request& asked, skald::commit& effect) -> skald::durable_reply {
    std::cout << "working on " << asked.id() << std::endl;
    // In the same commit as the reply: it is there exactly once.
    effect.append("doubled", {.key = asked.id(), .value = asked.body()});
    return std::to_string(2 * std::stol(std::string(asked.body())));
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what != "serve" && (what != "ask" || argc != 4)) {
    std::cerr << "usage: durable_request serve | durable_request ask ID NUMBER\n";
    return 2;
  }
  try {
    skald::blocking_client broker;
    skald::blocking_durable_service service(broker, "double");
    service.create();
    broker.create_topic("doubled", {}, {.if_absent = true});
    if (what == "serve") serve(service);
    const skald::durable_reply reply = service.ask(argv[2], argv[3]);
    std::cout << (reply.failed ? "failed: " : "") << reply.body << "\n";
    return reply.failed ? 1 : 0;
  } catch (const std::exception& why) {
    std::cerr << "durable_request: " << why.what() << "\n";
    return 1;
  }
}
