// Services that answer as long as they live, whatever happens to the broker.
#pragma once

#include <string>
#include <thread>

#include <skald/skald.hpp>

namespace skald::tests {

class responders {
 public:
  explicit responders(const std::string& address)
      : client_({.address = address,
                 .reconnect_delay_min = milliseconds(5),
                 .reconnect_delay_max = milliseconds(50)}),
        echo_(client_.serve("echo")),
        thread_([this] {
          echo_.run([](const service_request& asked) { return "re " + std::string(asked.body()); });
        }) {}
  ~responders() {
    echo_.close();
    thread_.join();
  }

 private:
  blocking_client client_;
  blocking_responder echo_;
  std::thread thread_;
};

}  // namespace skald::tests
