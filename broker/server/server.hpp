// The whole broker in one object: data directory, shard, reactors, connections.
//
// Threading: made, started, stopped and destroyed by one thread, which runs none of the broker's work itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "broker/delivery/service_types.hpp"
#include "broker/server/settings.hpp"
#include "broker/shard/shard.hpp"

namespace skald::server {

struct server_settings {
  std::filesystem::path data_directory;
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 7411;  // 0: any free one
  unsigned threads = 0;       // reactors; 0: one for every two cores, beside the journal's thread
  std::uint64_t memory_bytes_max = 192u << 20;
  std::uint32_t connections_max = 20'000;
  session_settings session;             // the broker's version and identity are filled in
  delivery::service_settings services;  // at most a sixth of the memory is for bodies of requests
  shard::options shard;                 // its directory is filled in
};

// What there is to say once it runs.
struct start_report {
  std::string address;
  std::uint16_t port = 0;
  std::uint32_t topics = 0;
  std::uint32_t partitions = 0;
  std::chrono::milliseconds opened_in{0};  // replay included
};

class server {
 public:
  explicit server(server_settings with);
  ~server();  // stops at once, if it was not stopped
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  // Throws skald::error with a sentence for the user; then it has left nothing running.
  start_report start();
  // Stops accepting, answers what was accepted, tells the clients, and closes the shard. False when that took
  // longer than `patience`; whatever was acknowledged is safe in either case.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct parts;
  server_settings settings_;
  std::unique_ptr<parts> parts_;
};

}  // namespace skald::server
