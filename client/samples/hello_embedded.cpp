// A broker in this very process: publishes to it, stops it, starts it on the same data, and reads what was
// stored.
//
//   hello_embedded [DATA_DIRECTORY]
#include <filesystem>
#include <iostream>
#include <skald/broker.hpp>
#include <skald/skald.hpp>
#include <string>

namespace {

std::string address_of(const skald::broker& broker) {
  return "127.0.0.1:" + std::to_string(broker.port());
}

void publish(const std::filesystem::path& data) {
  skald::broker broker({.data_directory = data, .port = 0});
  broker.start();
  skald::blocking_client client({.address = address_of(broker)});
  client.create_topic("notes", {}, {.if_absent = true});
  client.publish("notes", {.value = "remember the milk"});
}

void read(const std::filesystem::path& data) {
  skald::broker broker({.data_directory = data, .port = 0});
  broker.start();
  skald::blocking_client client({.address = address_of(broker)});
  for (const skald::record& r : client.fetch("notes", skald::partition_id(0), skald::offset(0)))
    std::cout << r.offset().value() << " " << *r.value() << "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path data =
      argc > 1 ? argv[1] : std::filesystem::temp_directory_path() / "skald-hello-embedded";
  publish(data);
  read(data);
} catch (const std::exception& why) {
  std::cerr << "hello_embedded: " << why.what() << "\n";
  return 1;
}
