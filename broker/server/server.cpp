#include "broker/server/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "broker/server/commit_service.hpp"
#include "broker/server/data_directory.hpp"
#include "broker/server/group_service.hpp"
#include "broker/server/io_threads.hpp"
#include "broker/server/listener.hpp"
#include "broker/server/log.hpp"
#include "broker/server/process.hpp"
#include "broker/server/queue_service.hpp"
#include "broker/server/service_link.hpp"
#include "broker/server/shard_link.hpp"
#include "broker/server/worker.hpp"

namespace skald::server {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

// A full batch of a producer as it comes, and its frame.
constexpr std::size_t block_bytes = (256u + 4u) << 10;
constexpr std::size_t kept_blocks_bytes = 16u << 20;
constexpr unsigned io_thread_count = 2;

// Runs `work` on the executor and waits for it, which must not be the caller's own.
void run_on(executor& there, const std::function<void()>& work) {
  std::promise<void> done;
  there.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// Publishers get two thirds of the memory, for they hold it until the disk has caught up.
std::size_t receive_share(std::uint64_t all) {
  return all / 3 * 2;
}

}  // namespace

// In the order in which they are made; they go in the opposite one, after stop_threads().
struct server::parts {
  explicit parts(const server_settings& is)
      : directory(is.data_directory),
        received(
            std::make_shared<block_pool>(receive_share(is.memory_bytes_max), block_bytes, kept_blocks_bytes)),
        sent(std::make_shared<block_pool>(is.memory_bytes_max - receive_share(is.memory_bytes_max),
                                          block_bytes, kept_blocks_bytes)) {}
  ~parts() { stop_threads(); }

  void stop_threads();

  data_directory directory;
  steady::time_point started = steady::now();
  counters counts;
  std::shared_ptr<block_pool> received;
  std::shared_ptr<block_pool> sent;
  std::vector<std::unique_ptr<reactor>> reactors;
  asio::thread_pool io{io_thread_count};

  // One network side for each reactor.
  struct lane {
    lane(reactor& on, asio::thread_pool& io, block_pool& sent, shard_service& shard, service_hub& hub,
         group_service& groups, queue_service& queues, commit_service& commits)
        : slow(io, on),
          reader(segment_source(), slow, sent),
          link(shard, groups, on),
          services(hub, on),
          queue_side(queues, on),
          commit_side(commits, on) {}
    io_threads slow;
    plan_reader reader;
    shard_link link;
    service_link services;
    queue_link queue_side;
    commit_link commit_side;
    std::unique_ptr<worker> network;
  };
  std::unique_ptr<shard_service> service;
  std::unique_ptr<service_hub> hub;
  std::unique_ptr<group_service> groups;
  std::unique_ptr<queue_service> queues;
  std::unique_ptr<commit_service> commits;
  std::vector<std::unique_ptr<lane>> lanes;
  std::unique_ptr<shard::shard> shard;
  std::unique_ptr<listener> listening;
};

void server::parts::stop_threads() {
  for (const auto& one : reactors) one->stop();
  io.stop();
  io.join();
  listening.reset();
  // Sessions first: they cancel what waits at the shard. Then the shard, with what it was still to answer.
  for (const auto& one : lanes) one->network->close_all();
  for (const auto& one : reactors) one->drop_tasks();
  if (queues) queues->shut_down();
  shard.reset();
}

server::server(server_settings with) : settings_(std::move(with)) {}

server::~server() = default;

start_report server::start() {
  const auto began = steady::now();
  raise_descriptor_limit();
  auto made = std::make_unique<parts>(settings_);
  settings_.session.broker_version = SKALD_VERSION;
  settings_.session.broker_id = made->directory.broker_id();
  settings_.shard.directory = made->directory.shard_path();

  const unsigned count =
      settings_.threads != 0 ? settings_.threads : std::max(1u, std::thread::hardware_concurrency() / 2);
  for (unsigned i = 0; i < count; ++i) {
    made->reactors.push_back(std::make_unique<reactor>(fmt::format("skald-net-{}", i)));
  }
  reactor& home = *made->reactors.front();
  std::vector<worker*> workers;
  parts* const all = made.get();

  // The port is taken before the journal is read: a second broker is told so at once.
  const auto bind = [&] {
    made->listening = std::make_unique<listener>(workers, settings_.listen_address, settings_.port,
                                                 settings_.connections_max);
  };
  const auto facts = [all] {
    const auto up = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - all->started);
    return broker_facts{static_cast<std::uint64_t>(up.count()), resident_bytes(),
                        all->received->budget_bytes() + all->sent->budget_bytes(),
                        free_disk_bytes(all->directory.path())};
  };
  made->service = std::make_unique<shard_service>(home);
  settings_.services.body_bytes_max =
      std::min<std::uint64_t>(settings_.services.body_bytes_max, settings_.memory_bytes_max / 6);
  made->hub = std::make_unique<service_hub>(home, settings_.services, [] { return steady::now(); });
  made->groups = std::make_unique<group_service>(home);
  made->queues = std::make_unique<queue_service>(
      home, [began] { return std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began); },
      system_wall_clock().now(), [](const std::string& what) { logger().warn("{}", what); });
  made->commits = std::make_unique<commit_service>(home, *made->groups, *made->queues);
  for (const auto& on : made->reactors) {
    auto lane = std::make_unique<parts::lane>(*on, made->io, *made->sent, *made->service, *made->hub,
                                              *made->groups, *made->queues, *made->commits);
    session_host host{settings_.session,
                      lane->link,
                      lane->services,
                      lane->reader,
                      *on,
                      made->counts,
                      facts,
                      [] { return steady::now(); },
                      &lane->queue_side,
                      &lane->commit_side};
    lane->network = std::make_unique<worker>(*on, std::move(host), *made->received);
    workers.push_back(lane->network.get());
    made->lanes.push_back(std::move(lane));
  }
  made->received->on_room([all] {
    for (const auto& lane : all->lanes) lane->network->resume_starved();
  });
  bind();
  made->shard =
      std::make_unique<shard::shard>(settings_.shard, native_disk(), system_wall_clock(), home, die);
  made->service->open(*made->shard);
  made->queues->open(*made->shard, made->lanes.front()->reader);
  made->groups->open(*made->shard, settings_.session.group_grace);
  made->commits->open(*made->shard);
  made->shard->watch_topics([all](const shard::topic_change& change) {
    all->groups->topic_changed(change);
    if (change.what == shard::topic_change::kind::grew)
      all->queues->topic_grew(change.topic, change.partitions);
    for (const auto& lane : all->lanes) {
      lane->network->runs_on().post([&network = *lane->network, change] { network.topic_changed(change); });
    }
  });
  made->listening->listen();

  start_report report;
  for (const auto& one : made->reactors) one->start();
  run_on(home, [&] {
    made->shard->start();
    const shard::statistics is = made->shard->stats();
    report.topics = is.topics;
    report.partitions = is.partitions;
    made->listening->start();
  });
  for (worker* const one : workers) run_on(one->runs_on(), [one] { one->start(); });
  report.address = settings_.listen_address;
  report.port = made->listening->port();
  report.opened_in = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began);
  parts_ = std::move(made);
  return report;
}

bool server::stop(std::chrono::milliseconds patience) {
  if (!parts_) return true;
  const auto deadline = steady::now() + patience;
  reactor& home = *parts_->reactors.front();
  run_on(home, [&] { parts_->listening->close(); });

  std::vector<std::future<void>> quiet;
  for (const auto& lane : parts_->lanes) {
    auto done = std::make_shared<std::promise<void>>();
    quiet.push_back(done->get_future());
    lane->network->runs_on().post(
        [&network = *lane->network, done] { network.stop_all([done] { done->set_value(); }); });
  }
  bool in_time = true;
  for (const auto& one : quiet) in_time &= one.wait_until(deadline) == std::future_status::ready;
  if (!in_time) logger().warn("some connections would not end in time; they are closed");
  for (const auto& lane : parts_->lanes) {
    run_on(lane->network->runs_on(), [&network = *lane->network] { network.close_all(); });
  }

  // The state is flushed even when the time is up, within reason: it makes the next start quick.
  constexpr std::chrono::milliseconds flush_patience_min{1000};
  auto stopped = std::make_shared<std::promise<void>>();
  auto shard_gone = stopped->get_future();
  home.post([this, stopped] { parts_->shard->stop([stopped] { stopped->set_value(); }); });
  const auto shard_deadline = std::max(deadline, steady::now() + flush_patience_min);
  const bool flushed = shard_gone.wait_until(shard_deadline) == std::future_status::ready;
  if (!flushed) logger().warn("the state was not flushed in time; the next start replays the journal");
  parts_.reset();
  return in_time && flushed;
}

}  // namespace skald::server
