#include "tests/system/model/world.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <thread>

#include <doctest/doctest.h>

#include "tests/system/model/responders.hpp"

namespace skald::tests {

timestamp time_now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

world::world(std::uint64_t seed)
    : random_(seed),
      broker_(SKALDD_PROGRAM, directory_.path() / "data"),
      client_({.address = broker_.address(),
               .timeout = patience,
               .reconnect_delay_min = milliseconds(5),
               .reconnect_delay_max = milliseconds(50)}) {
  client_.create_topic("log", {.partitions = 2});
  client_.create_topic("keyed", {.partitions = 3, .index = topic_index::key});
  client_.create_topic("latest", {.partitions = 2,
                                  .index = topic_index::key,
                                  .cleanup = topic_cleanup::compact,
                                  .compact_after_ms = 0,
                                  .keep_tombstones_ms = 1'000});
  client_.create_topic("work");
  client_.create_topic("due");
  client_.create_queue("work", "workers",
                       {.lease = std::chrono::hours(1),
                        .max_attempts = 1'000'000,
                        .backoff_min = milliseconds(1),
                        .backoff_max = milliseconds(5)});
  for (const model::partition& each : {model::partition{"log", 0}, {"log", 1}, {"work", 0}})
    model_.records[each];
  for (std::uint32_t i = 0; i < 3; ++i) model_.records[{"keyed", i}];
  responders_ = std::make_unique<responders>(broker_.address());
}

world::~world() = default;

void world::step() {
  struct choice {
    unsigned weight;
    action what;
    bool may_be_killed;
  };
  static constexpr auto choices = std::to_array<choice>({
      {20, &world::publish, true},        {10, &world::publish_with_id, true},
      {15, &world::put_latest, true},     {5, &world::read_latest, true},
      {3, &world::list_latest, true},     {3, &world::scan_latest, true},
      {6, &world::read_filtered, true},   {4, &world::read_partition, true},
      {6, &world::read_as_group, true},   {2, &world::check_positions, true},
      {15, &world::append_version, true}, {15, &world::commit_several, true},
      {6, &world::read_key, true},        {2, &world::list_keys, true},
      {8, &world::set_timer, true},       {4, &world::move_timer, true},
      {4, &world::cancel_timer, true},    {3, &world::list_timers, true},
      {8, &world::delay, true},           {15, &world::give_work, true},
      {10, &world::take_work, true},      {10, &world::work_off, true},
      {3, &world::look_at_queue, true},   {5, &world::request, true},
      {1, &world::kill_and_start, false}, {1, &world::stop_and_start, false},
  });
  constexpr unsigned weights = [] {
    unsigned sum = 0;
    for (const choice& each : choices) sum += each.weight;
    return sum;
  }();
  auto dice = static_cast<unsigned>(below(weights));
  for (const choice& each : choices) {
    if (dice < each.weight) return each.may_be_killed ? maybe_killed(each.what) : (this->*each.what)();
    dice -= each.weight;
  }
}

void world::maybe_killed(action what) {
  if (!one_in(40)) return (this->*what)();
  const std::chrono::microseconds wait(below(3'000));
  std::future<void> killed = boost::asio::post(killer_, boost::asio::use_future([this, wait] {
                                                 std::this_thread::sleep_for(wait);
                                                 kill_and_start();
                                               }));
  try {
    (this->*what)();
  } catch (...) {
    killed.wait();
    throw;
  }
  killed.get();
}

void world::kill_and_start() {
  broker_.kill();
  broker_.start();
}

void world::stop_and_start() {
  const process_result ended = broker_.stop();
  CHECK_MESSAGE(ended.exit_code == 0, ended.errors);
  broker_.start();
}

void world::appended(const std::string& topic, const committed::append& where, stored what) {
  std::vector<stored>& records = model_.records[{topic, where.partition.value()}];
  REQUIRE(where.offset == offset(records.size()));
  REQUIRE_FALSE(where.duplicate);
  if (topic == "keyed") {
    model::history& of = model_.keys[*what.key];
    if (of.values.empty()) of.partition = where.partition.value();
    REQUIRE(of.partition == where.partition.value());
    of.values.push_back(what.value);
    REQUIRE(where.version == of.values.size());
  }
  if (topic == "work") model_.open.insert(what.value);
  records.push_back(std::move(what));
}

void world::finish() {
  finish_queue();
  compare_delays();
  for (const auto& [which, records] : model_.records) compare(which);
  compare_dead();
  finish_latest();
  for (const auto& [key, history] : model_.keys) {
    const key_records found = client_.read_key("keyed", key, {.limit = 100'000});
    CHECK(found.version == history.values.size());
  }
  list_keys();
  list_timers();
  check_positions();
  responders_.reset();
  CHECK(broker_.stop().exit_code == 0);
  const process_result verified =
      run_process(SKALDD_PROGRAM, {"verify", "--data-dir", (directory_.path() / "data").string()});
  CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
}

}  // namespace skald::tests
