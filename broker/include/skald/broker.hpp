// The embedded broker: the whole of skaldd as an object, for tests and for programs that carry their own
// broker.
//
//   skald::broker broker({.data_directory = "data", .port = 0});
//   broker.start();
//   connect to 127.0.0.1:broker.port()
//   broker.stop();
//
// Threading: start() and stop() are called by one thread; the broker runs threads of its own. The destructor
// stops it. Errors: the constructor throws skald::error (invalid_settings); start() throws skald::error
// (storage_corrupt, storage_error, unsupported_version, or cannot_connect when the port is in use), whose
// text says what to do. A failed fsync ends the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "skald/protocol/error.hpp"

namespace skald {

struct broker_options {
  std::filesystem::path data_directory;
  std::string listen_address = "127.0.0.1";
  // Wanted for an address that other machines can reach: there is no authentication or encryption yet.
  bool allow_insecure = false;
  std::uint16_t port = 7411;                    // 0: any free one
  unsigned threads = 0;                         // network threads; 0: one for every two cores
  std::uint64_t segment_bytes = 128u << 20;     // of the journal; a multiple of 4096, 8 MiB to 2 GiB
  std::uint64_t memory_bytes_max = 192u << 20;  // budget for what is in flight
  std::uint32_t connections_max = 20'000;
};

class broker {
 public:
  explicit broker(broker_options options);
  ~broker();
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;

  void start();
  // Finishes what is acknowledged, tells the clients, closes the data directory. Idempotent.
  void stop();
  std::uint16_t port() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace skald
