#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/throughput/scene.hpp"
#include "skald/client.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

namespace {

namespace asio = boost::asio;

constexpr std::size_t in_flight_max = 1'000;
constexpr std::uint32_t partitions = 4;

double this_process_cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// One client on this thread that has up to a thousand commits under way.
class committing_client {
 public:
  explicit committing_client(scene& in)
      : stage_(in), broker_(loop_.get_executor(), {.address = in.broker().address()}), room_(loop_) {}

  client& broker() { return broker_; }
  std::uint64_t done() const { return done_; }

  // Waits until no more than so many are under way.
  asio::awaitable<void> until(std::size_t in_flight) {
    while (in_flight_ > in_flight) {
      room_.expires_at(steady_clock::time_point::max());
      boost::system::error_code woken;
      co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
  }
  void begin(commit&& effect) {
    ++in_flight_;
    broker_.commit(std::move(effect), {}, [this](const std::exception_ptr& why, const committed&) {
      if (why) failed_ = why;
      --in_flight_;
      ++done_;
      room_.cancel();
    });
  }

  // Runs `work` until all that it has begun is answered; what it has cost.
  template <class Work>
  std::vector<metric> run(const char* what, double per_commit, Work work) {
    const auto before = stage_.client().status();
    const double broker_cpu = stage_.broker().cpu_seconds();
    const double client_cpu = this_process_cpu_seconds();
    const std::uint64_t done_before = done_;
    const auto began = steady_clock::now();
    bool working = true;
    asio::co_spawn(loop_, std::move(work), [&](const std::exception_ptr& why) {
      if (why) failed_ = why;
      working = false;
    });
    loop_.restart();
    while ((working || in_flight_ > 0) && !failed_) loop_.run_one();
    if (failed_) std::rethrow_exception(failed_);
    const double seconds = std::chrono::duration<double>(steady_clock::now() - began).count();
    const auto after = stage_.client().status();
    return {{what, "1000/s", static_cast<double>(done_ - done_before) * per_commit / seconds / 1e3},
            {"fsyncs", "1/s", static_cast<double>(after.journal_syncs - before.journal_syncs) / seconds},
            {"broker CPU", "cores", (stage_.broker().cpu_seconds() - broker_cpu) / seconds},
            {"client CPU", "cores", (this_process_cpu_seconds() - client_cpu) / seconds},
            {"broker peak memory", "MB", static_cast<double>(stage_.broker().peak_resident_bytes()) / 1e6}};
  }
  void close() {
    broker_.close();
    loop_.restart();
    loop_.run();
  }

 private:
  scene& stage_;
  asio::io_context loop_{1};
  client broker_;
  asio::steady_timer room_;
  std::size_t in_flight_ = 0;
  std::uint64_t done_ = 0;
  std::exception_ptr failed_;
};

void add_outputs(commit& effect, payload_source& payloads, const commit_shape& shape, partition_id to) {
  for (std::size_t i = 0; i < shape.outputs; ++i)
    effect.append("out", {.value = payloads.next(), .partition = to});
}

asio::awaitable<void> consume_queue(committing_client& with, work_queue& input, payload_source& payloads,
                                    const commit_shape& shape) {
  for (std::uint64_t begun = 0; begun < shape.inputs;) {
    const deliveries some = co_await input.receive();
    for (const delivery& one : some) {
      co_await with.until(in_flight_max - 1);
      commit effect;
      effect.acknowledge(one);
      add_outputs(effect, payloads, shape, one.partition());
      with.begin(std::move(effect));
      ++begun;
    }
  }
  co_await with.until(0);  // the input stays open for them
}

asio::awaitable<void> consume_group(committing_client& with, subscription& input, payload_source& payloads,
                                    const commit_shape& shape) {
  for (std::uint64_t begun = 0; begun < shape.inputs;) {
    const records some = co_await input.receive();
    for (const record& one : some) {
      co_await with.until(in_flight_max - 1);
      commit effect;
      effect.acknowledge(input, one);
      add_outputs(effect, payloads, shape, one.partition());
      with.begin(std::move(effect));
      ++begun;
    }
  }
  co_await with.until(0);  // the input stays open for them
}

// Appends one record to every key, in an order that has nothing to do with theirs, expecting that version.
asio::awaitable<void> append_to_keys(committing_client& with, payload_source& payloads,
                                     const versions_shape& shape, std::uint64_t version) {
  constexpr std::uint64_t stride = 1'000'003;  // a prime: every key has its turn
  for (std::uint64_t i = 0; i < shape.keys;) {
    co_await with.until(in_flight_max - 1);
    commit effect;
    for (std::size_t n = 0; n < shape.per_commit && i < shape.keys; ++n, ++i) {
      const std::string key = "key-" + std::to_string(i * stride % shape.keys);
      effect.append("events", {.key = key, .value = payloads.next()}).expect_version(version);
    }
    with.begin(std::move(effect));
  }
}

}  // namespace

std::vector<metric> measure_commit(const setting& with, commit_shape shape) {
  scene stage(with);
  stage.client().create_topic("in", {.partitions = partitions});
  stage.client().create_topic("out", {.partitions = partitions});
  shape.inputs = publish_until(stage.client(), "in", partitions, shape.record_bytes,
                               [&](std::uint64_t sent) { return sent >= shape.inputs; });
  payload_source payloads(shape.record_bytes);
  committing_client committer(stage);
  std::vector<metric> metrics;
  if (shape.from_queue) {
    stage.client().create_queue("in", "work");
    metrics = committer.run("commits", 1, [&]() -> asio::awaitable<void> {
      work_queue input = co_await committer.broker().open_queue("in", "work", {.prefetch = 4096});
      co_await consume_queue(committer, input, payloads, shape);
    });
  } else {
    metrics = committer.run("commits", 1, [&]() -> asio::awaitable<void> {
      subscription input = co_await committer.broker().subscribe(
          "in", {.from = earliest, .group = "work", .commit = commit_mode::manual});
      co_await consume_group(committer, input, payloads, shape);
    });
  }
  committer.close();
  if (committer.done() != shape.inputs) throw std::runtime_error("not every input has had its commit");
  if (stage.client().describe_topic("out").records != shape.inputs * shape.outputs)
    throw std::runtime_error("not every output is there");
  stage.finish();
  return metrics;
}

std::vector<metric> measure_versions(const setting& with, versions_shape shape) {
  scene stage(with);
  stage.client().create_topic("events", {.partitions = partitions, .index = topic_index::key});
  payload_source payloads(shape.record_bytes);
  committing_client committer(stage);
  const auto pass = [&](std::uint64_t version) {
    return committer.run("appends", static_cast<double>(shape.per_commit),
                         [&, version] { return append_to_keys(committer, payloads, shape, version); });
  };
  std::vector<metric> metrics = pass(0);
  metrics.front().name = "appends to new keys";
  std::vector<metric> again = pass(1);
  again.front().name = "appends to known keys";
  committer.close();
  if (stage.client().describe_topic("events").records != 2 * shape.keys)
    throw std::runtime_error("not every append is there");
  stage.finish();
  metrics.insert(metrics.begin() + 1, again.front());
  return metrics;
}

}  // namespace skald::bench
