// Carries a broker on a free port with its data in argv[1], and runs the program argv[2] with its address.
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include <skald/broker.hpp>

bool is_refused(skald::broker_options options) {
  try {
    skald::broker made(std::move(options));
    return false;
  } catch (const skald::error& problem) {
    return problem.code() == skald::errc::invalid_settings;
  }
}

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  if (!is_refused({.data_directory = argv[1], .port = 0, .segment_bytes = 1 << 20})) return 1;
  if (!is_refused({.data_directory = argv[1], .listen_address = "0.0.0.0", .port = 0})) return 1;
  skald::broker broker({.data_directory = argv[1], .port = 0, .segment_bytes = 16 << 20});
  broker.start();
  const std::string command = std::string(argv[2]) + " 127.0.0.1:" + std::to_string(broker.port());
  const int status = std::system(command.c_str());
  broker.stop();
  return status == 0 ? 0 : 1;
} catch (const skald::error& problem) {
  std::cerr << problem.what() << '\n';
  return 1;
}
