// Order sagas whose orchestrators, participants and broker are killed at random: every saga ends, what it did
// is done once or undone, and until it ends something will wake it.
#include <signal.h>

#include <memory>
#include <random>
#include <set>

#include "tests/effort.hpp"
#include "tests/system/saga/saga_scene.hpp"

namespace skald::tests {

namespace {

constexpr int orders_each_round = 12;

class killing_scene : public saga_scene {
 public:
  explicit killing_scene(unsigned seed) : random(seed) {
    for (const char* role : roles) services.push_back(make(role));
    REQUIRE(becomes([&] { return is_there(); }));
  }

  void start_some() {
    const int to = started + orders_each_round;
    const process_result done =
        run_process(SKALD_SAGA_PROGRAM, {address, "start", std::to_string(started + 1), std::to_string(to)});
    REQUIRE_MESSAGE(done.exit_code == 0, done.errors);
    started = to;
  }
  // Lets the sagas come so far, which is nowhere in particular, and kills one of the six.
  void kill_one() {
    const std::uint64_t until = records("orders.sagas") + random() % (4 * orders_each_round);
    becomes(
        [&] { return records("orders.sagas") >= until || finals() == static_cast<std::size_t>(started); });
    const std::size_t victim = random() % (roles.size() + 1);
    if (victim == roles.size()) {
      server.kill();
      server.start();
      return;
    }
    services[victim]->send_signal(SIGKILL);
    services[victim]->wait();
    if (random() % 2 == 0) check_alarms();
    services[victim] = make(roles[victim]);
  }
  void check_alarms();

  std::mt19937 random;
  int started = 0;

 private:
  std::unique_ptr<child_process> make(const char* role) const {
    return std::make_unique<child_process>(SKALD_SAGA_PROGRAM, std::vector<std::string>{address, role});
  }
  bool is_there() {
    return exists("orders.sagas.inputs") && exists("customers.inbox") && exists("warehouse.inbox");
  }

  static constexpr std::array roles{"orchestrator", "orchestrator", "customers", "customers", "warehouse"};
  std::vector<std::unique_ptr<child_process>> services;
};

// An instance that is not over is parked, or has a timer, or an input that nobody has settled. It is read
// before what wakes it: whatever moves it on in between leaves something that wakes it anew, or ends it.
void killing_scene::check_alarms() {
  const std::vector<sagas::instance> before = instances();
  std::set<std::string> woken;
  for (const timer_info& one : broker.list_timers({.owner_prefix = "orders.sagas/"})) {
    const std::size_t from = one.name.find('/') + 1;
    woken.insert(one.name.substr(from, one.name.rfind('/') - from));
  }
  for (const sagas::instance& one : before) {
    if (sagas::is_final(one.phase) || one.phase == sagas::phase::parked || woken.contains(one.id)) continue;
    const sagas::instance now = instance(one.id);
    const bool moved = sagas::is_final(now.phase) || sagas::encode_state(now) != sagas::encode_state(one);
    bool waits = moved;
    for (offset from; !waits;) {
      const peeked_records some = broker.peek_queue("orders.sagas.inputs", sagas::orchestrator_queue,
                                                    partition_id(0), {.from = from});
      for (const peeked_record& input : some.records) waits |= input.record.key() == one.id;
      if (!some.more) break;
      from = some.next;
    }
    // It may have moved while the queue was looked at.
    if (!waits) waits = sagas::encode_state(instance(one.id)) != sagas::encode_state(one);
    CHECK_MESSAGE(waits, one.id << " is " << sagas::to_string(one.phase) << ", and nothing will wake it");
  }
}

}  // namespace

TEST_CASE("whoever is killed, every saga ends, and has happened once or not at all") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  killing_scene on(seed);
  constexpr int rounds = 12;
  for (int round = 0; round < rounds; ++round) {
    on.start_some();
    on.kill_one();
  }
  REQUIRE(becomes([&] { return on.finals() == static_cast<std::size_t>(on.started); }));
  std::map<sagas::phase, int> phases;
  for (const sagas::instance& one : on.instances()) ++phases[one.phase];
  for (int number = 1; number <= on.started; ++number) on.check_order(number);
  on.check_no_timer_is_left();
  CHECK(phases[sagas::phase::completed] > 0);
  CHECK(phases[sagas::phase::compensated] > 0);
  MESSAGE(on.started << " sagas: " << phases[sagas::phase::completed] << " completed, "
                     << phases[sagas::phase::compensated] << " compensated");
}

}  // namespace skald::tests
