// Random histories: appends, commits, releases, crashes at any operation, full disks and rot, against what
// must hold whatever happens. A failure prints its seed; SKALD_JOURNAL_SEED=n runs that seed alone.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "broker/journal/entry.hpp"
#include "tests/broker/journal/scene.hpp"
#include "tests/effort.hpp"

namespace skald::journal::testing {

namespace {

class history {
 public:
  explicit history(std::uint64_t seed) : random_(seed), on_(seed) {
    on_.with.segment_bytes = (4u + below(13)) << 12;
    on_.with.group_bytes_max = std::uint64_t{1} << (9 + below(6));
    on_.with.spare_segments_max = below(4);
    if (below(3) == 0) on_.disk.set_capacity((4 + below(6)) * on_.with.segment_bytes);
    reopen();
  }

  void live(std::size_t actions) {
    for (std::size_t i = 0; i < actions && broken_.empty(); ++i) act();
    if (broken_.empty()) end_of_process();
  }

  // What did not hold; empty if everything did.
  const std::string& broken() const { return broken_; }
  std::uint64_t replayed() const { return replayed_; }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void act() {
    const std::uint64_t action = below(100);
    if (action < 55) {
      append();
    } else if (action < 75) {
      for (std::uint64_t steps = below(6); steps > 0; --steps) on_.log->step();
    } else if (action < 80) {
      on_.settle();
    } else if (action < 86) {
      flush_state();
    } else if (action < 92) {
      release();
    } else if (action < 95) {
      power_fails_within_ = true;
      on_.disk.lose_power_after(below(25));
    } else {
      end_of_process();
    }
    hear();
    if (!on_.seen->fatal().empty()) {
      expect(power_fails_within_, "fatal without a fault: " + on_.seen->fatal());
      end_of_process();
    }
  }

  std::string text(std::uint64_t number) {
    std::string made = std::to_string(number) + ":" + std::to_string(random_()) + ":";
    const std::uint64_t kind = below(20);
    const std::uint64_t most = payload_bytes_max(on_.with) - made.size();
    made.append(kind == 0 ? below(most) : kind < 5 ? below(3'000) : below(100), char('a' + number % 26));
    return made;
  }

  void append() {
    std::vector<new_entry> entries;
    std::vector<std::string> texts;
    for (std::uint64_t count = 1 + below(4); count > 0; --count) {
      texts.push_back(text(last_appended_ + texts.size() + 1));
      entries.push_back(entry_of(texts.back(), below(10) == 0 ? entry_kind::local : entry_kind::command));
    }
    const auto how = below(8) == 0 ? urgency::frees_space : urgency::normal;
    const auto refused = on_.log->append(std::move(entries), how);
    expect(!refused || refused == errc::storage_full || power_fails_within_, "append: " + refused.message());
    if (refused) return;
    for (std::string& each : texts) appended_[++last_appended_] = std::move(each);
  }

  // Takes note of what was reported durable since the last time.
  void hear() {
    const std::vector<durable_entry> all = on_.seen->durable();
    for (; heard_ < all.size(); ++heard_) {
      const durable_entry& each = all[heard_];
      expect(each.sequence.value() == durable_through_ + 1, "reported out of order");
      durable_through_ = each.sequence.value();
      places_[durable_through_] = each;
      if (on_.log && !power_fails_within_) {
        expect(on_.read(each.payload) == appended_[durable_through_], "not readable where reported");
      }
    }
  }

  void flush_state() {
    hear();
    if (places_.empty()) return;
    auto upto = places_.begin();
    std::advance(upto, static_cast<std::ptrdiff_t>(below(places_.size())));
    if (upto->first < from_.next.value()) return;
    from_ = on_.log->point_after(upto->second);
  }

  void release() {
    for (const generation each : on_.log->segments()) {
      if (each < from_.segment && below(3) > 0) on_.log->release(each);
    }
  }

  void end_of_process() {
    const std::uint64_t how = power_fails_within_ ? 0 : below(3);
    if (how == 0) {
      on_.disk.crash();
      hear();
      on_.log.reset();
    } else if (how == 1) {
      hear();
      on_.kill();
    } else {
      on_.log->stop();
      hear();
      if (durable_through_ != last_appended_) expect(false, "stopped before everything was durable");
      on_.log.reset();
    }
    power_fails_within_ = false;
    reopen();
  }

  void reopen() {
    const error refused = on_.refusal(from_);
    expect(refused.code() == errc::ok, "refused to open: " + refused.message());
    if (!broken_.empty()) return;
    heard_ = 0;
    std::uint64_t next = from_.next.value();
    for (const std::string& each : on_.replayed) {
      const auto known = appended_.find(next++);
      expect(known != appended_.end() && known->second == each, "replayed something else");
    }
    replayed_ += on_.replayed.size();
    expect(next > durable_through_,
           "lost what was durable: " + std::to_string(next) + " to " + std::to_string(durable_through_));
    // What was never reported may be there or not; from here on this is what is.
    last_appended_ = durable_through_ = next - 1;
    appended_.erase(appended_.upper_bound(last_appended_), appended_.end());
    places_.erase(places_.upper_bound(last_appended_), places_.end());
  }

  void expect(bool holds, const std::string& what) {
    if (!holds && broken_.empty()) broken_ = what;
  }

  std::mt19937_64 random_;
  scene on_;
  std::map<std::uint64_t, std::string> appended_;
  std::map<std::uint64_t, durable_entry> places_;
  std::uint64_t last_appended_ = 0;
  std::uint64_t durable_through_ = 0;
  std::size_t heard_ = 0;
  std::uint64_t replayed_ = 0;
  replay_point from_;
  bool power_fails_within_ = false;
  std::string broken_;
};

// Runs `one` for each seed, or for the one asked for.
template <class One>
void for_seeds(std::uint64_t count, One one) {
  if (const char* wanted = std::getenv("SKALD_JOURNAL_SEED")) {
    one(std::strtoull(wanted, nullptr, 10));
    return;
  }
  for (std::uint64_t seed = 1; seed <= count; ++seed) one(seed);
}

}  // namespace

TEST_CASE(
    "whatever happens, what was reported durable is replayed in order, once, and nothing torn refuses") {
  std::uint64_t replayed = 0;
  for_seeds(tests::effort(3'000), [&](std::uint64_t seed) {
    history life(seed);
    life.live(80);
    REQUIRE_MESSAGE(life.broken().empty(), "seed ", seed, ": ", life.broken());
    replayed += life.replayed();
  });
  CHECK(replayed > 0);
}

TEST_CASE("no flipped bit passes silently in a journal that was stopped or killed") {
  std::uint64_t noticed = 0;
  for_seeds(tests::effort(1'500), [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    scene on(seed);
    on.open();
    std::vector<std::string> texts;
    for (std::uint64_t groups = 1 + random() % 8; groups > 0; --groups) {
      std::vector<std::string> group;
      for (std::uint64_t entries = 1 + random() % 4; entries > 0; --entries) {
        group.push_back(std::string(random() % 3'000, char('a' + random() % 26)));
      }
      on.commit(group);
      texts.insert(texts.end(), group.begin(), group.end());
    }
    const std::vector<durable_entry> durable = on.seen->durable();
    REQUIRE(durable.size() == texts.size());
    random() % 2 == 0 ? on.stop() : on.kill();

    const durable_entry& hit = durable[random() % durable.size()];
    const std::uint64_t bits = (entry_header_bytes + hit.payload.bytes) * 8;
    on.disk.flip_bit(on.path(hit.payload.segment),
                     (hit.payload.position - entry_header_bytes) * 8 + random() % bits);
    REQUIRE_MESSAGE(on.refusal().code() == errc::storage_corrupt, "seed ", seed);
    ++noticed;
  });
  CHECK(noticed > 0);
}

TEST_CASE("after a loss of power a bit that flipped before the last group never passes silently") {
  for_seeds(tests::effort(1'500), [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    scene on(seed);
    on.open();
    for (std::uint64_t groups = 2 + random() % 6; groups > 0; --groups) {
      on.commit({std::string(random() % 2'000, 'a'), std::string(random() % 2'000, 'b')});
    }
    const std::vector<durable_entry> durable = on.seen->durable();
    const std::vector<std::size_t> groups = on.seen->groups();
    on.crash();
    const durable_entry& hit = durable[random() % (durable.size() - groups.back())];
    const std::uint64_t bits = (entry_header_bytes + hit.payload.bytes) * 8;
    on.disk.flip_bit(on.path(hit.payload.segment),
                     (hit.payload.position - entry_header_bytes) * 8 + random() % bits);
    REQUIRE_MESSAGE(on.refusal().code() == errc::storage_corrupt, "seed ", seed);
  });
}

TEST_CASE("an error of any single write or sync is fatal or harmless, and never loses what was durable") {
  std::uint64_t fatal = 0;
  for (std::uint64_t operation = 0; operation < 60; ++operation) {
    for (const std::errc how : {std::errc::io_error, std::errc::no_space_on_device}) {
      CAPTURE(operation);
      scene on(operation);
      on.open();
      on.disk.fail_after(operation, how);
      for (int i = 0; i < 8; ++i) on.commit({std::string(5'000, char('a' + i))});
      if (!on.seen->fatal().empty()) ++fatal;
      const std::size_t durable = on.seen->durable().size();
      if (on.seen->fatal().empty()) {
        REQUIRE((durable == 8 || how == std::errc::no_space_on_device));
      } else {
        REQUIRE(on.append("after") == errc::storage_error);
      }
      on.crash();
      on.open();
      REQUIRE(on.replayed.size() >= durable);
    }
  }
  CHECK(fatal > 20);
}

}  // namespace skald::journal::testing
