// What the sessions of one reactor share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "broker/base/executor.hpp"
#include "broker/server/block_pool.hpp"
#include "broker/server/commit_port.hpp"
#include "broker/server/plan_reader.hpp"
#include "broker/server/queue_port.hpp"
#include "broker/server/record_selection.hpp"
#include "broker/server/service_port.hpp"
#include "broker/server/settings.hpp"
#include "broker/server/shard_port.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::server {

// Of the whole broker; each is changed by any reactor, and read by status.
struct counters {
  std::atomic<std::uint32_t> connections{0};
  std::atomic<std::uint32_t> subscriptions{0};
  std::atomic<std::uint64_t> bytes_out{0};
};

// What status tells beyond the shard's own figures.
struct broker_facts {
  std::uint64_t uptime_ms = 0;
  std::uint64_t memory_bytes = 0;  // resident
  std::uint64_t memory_budget_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
};

// Outlives its sessions. Everything in it is used on the reactor only, but for the counters.
struct session_host {
  const session_settings& settings;
  shard_port& shard;
  service_port& services;
  plan_reader& reader;
  executor& runs_on;
  counters& counts;
  std::function<broker_facts()> facts;
  std::function<std::chrono::steady_clock::time_point()> now;

  queue_port* queues = nullptr;
  commit_port* commits = nullptr;

  protocol::header_reader headers = {};
  protocol::frame_writer writer = {};
  protocol::batch_decoder decoder = {};
  record_selection selection = {};
};

}  // namespace skald::server
