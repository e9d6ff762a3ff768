// Commits that acknowledge inputs, over the wire: whose they are, who is refused, and what a second try on
// another connection is told.
#include <doctest/doctest.h>

#include <filesystem>
#include <optional>

#include "broker/server/server.hpp"
#include "tests/broker/server/raw_client.hpp"

namespace skald::server::test {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t consumer = 5;
constexpr std::uint64_t subscription = 8;

struct inputs_scene {
  inputs_scene() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-inputs-XXXXXX").string();
    settings.data_directory = ::mkdtemp(name.data());
    settings.port = 0;
    settings.threads = 2;
    settings.shard.journal.segment_bytes = 8u << 20;
    settings.shard.state_map_bytes = 256u << 20;
    start();
    first.emplace(client());
    first->create("in");
    first->create("out");
    for (int i = 0; i < 4; ++i) first->publish("in", make_batch({"input"}));
  }
  ~inputs_scene() {
    first.reset();
    broker.reset();
    std::filesystem::remove_all(settings.data_directory);
  }
  void start() {
    broker = std::make_unique<server>(settings);
    port = broker->start().port;
  }
  raw_client client() {
    raw_client made(port);
    made.greet();
    return made;
  }

  static void open_queue(raw_client& by, std::uint32_t lease_ms = 60'000) {
    const reply is = by.ask(20, [&](auto& b) {
      const auto topic = b.CreateString("in");
      const auto queue = b.CreateString("work");
      const auto with = wire::CreateQueueSettings(b, lease_ms, 1000);
      return wire::CreateOpenQueue(b, consumer, topic, queue, 4, 0, true, with);
    });
    REQUIRE(is.type() == wire::Body::OpenQueueOk);
  }
  // The next run of records that this client is given.
  static wire::LeasedRun leased(raw_client& to) {
    for (;;) {
      auto next = to.receive();
      REQUIRE(next.has_value());
      const auto* given = next->frame().body_as_QueueDelivery();
      if (given != nullptr) return *given->runs()->Get(0);
    }
  }
  // A member of the group `billing`, with the one partition of the topic; its id and epoch.
  static std::pair<std::uint64_t, std::uint32_t> join(raw_client& by) {
    const reply is = by.ask(21, [&](auto& b) {
      const auto topic = b.CreateString("in");
      const auto group = b.CreateString("billing");
      return wire::CreateSubscribe(b, subscription, topic, 0, wire::Start::earliest, 0, 1u << 20, 0, false,
                                   group);
    });
    const auto* ok = is.frame().body_as_SubscribeOk();
    REQUIRE(ok != nullptr);
    const std::pair member{ok->member(), ok->epoch()};
    for (;;) {
      const auto next = by.receive();
      REQUIRE(next.has_value());
      if (next->type() == wire::Body::SubscriptionChanged) return member;
    }
  }

  struct inputs {
    std::vector<wire::AckedRun> leases = {};
    std::pair<std::uint64_t, std::uint32_t> member = {};
    std::optional<std::uint64_t> position = {};
    std::string group = "billing";
  };
  bytes commit_frame(raw_client& by, std::uint64_t id, std::uint64_t sequence, const inputs& of,
                     const std::string& topic = "out") const {
    const bytes batch = make_batch({"output"});
    return by.frame(
        id,
        [&](auto& b) {
          const std::vector appends{
              wire::CreateAppend(b, b.CreateString(topic), 0, static_cast<std::uint32_t>(batch.size()))};
          std::vector<flatbuffers::Offset<wire::CommitOffsets>> positions;
          if (of.position) {
            const std::vector offsets{wire::CreatePartitionOffset(b, 0, *of.position, in_id)};
            positions.push_back(wire::CreateCommitOffsetsDirect(b, of.group.c_str(), of.member.first,
                                                                of.member.second, &offsets));
          }
          return wire::CreateCommitDirect(b, &appends, producer, 0, sequence, nullptr, &positions,
                                          &of.leases);
        },
        batch);
  }
  reply commit(raw_client& by, std::uint64_t sequence, const inputs& of, const std::string& topic = "out") {
    REQUIRE(by.send_bytes(commit_frame(by, 30, sequence, of, topic)));
    return by.answer(30);
  }
  std::int64_t outputs(raw_client& by) {
    const reply is = by.ask(31, [](auto& b) {
      return wire::CreateListOffsets(b, b.CreateString("out"), 0, wire::Start::latest);
    });
    return static_cast<std::int64_t>(is.frame().body_as_ListOffsetsOk()->offsets()->Get(0)->offset());
  }

  static constexpr std::uint64_t producer = 3;
  static constexpr std::uint32_t in_id = 1;  // the first topic that was created
  server_settings settings;
  std::unique_ptr<server> broker;
  std::uint16_t port = 0;
  std::optional<raw_client> first;
};

wire::AckedRun acked(const wire::LeasedRun& run, std::uint32_t count = 1) {
  return {consumer, run.lease(), run.first(), count};
}

void check_refused(const reply& is, errc code, wire::CommitPart part, std::uint32_t index = 0) {
  const auto* why = is.frame().body_as_CommitRefused();
  REQUIRE(why != nullptr);
  CHECK(static_cast<errc>(why->code()) == code);
  CHECK(why->part() == part);
  CHECK(why->index() == index);
  CHECK(why->message()->size() > 0);
}

bool is_done(const reply& is, bool duplicate = false) {
  const auto* ok = is.frame().body_as_CommitOk();
  return ok != nullptr && ok->duplicate() == duplicate;
}

}  // namespace

TEST_CASE_FIXTURE(inputs_scene, "a lease that a commit acknowledges is settled with its outputs") {
  open_queue(*first);
  const wire::LeasedRun run = leased(*first);
  CHECK(is_done(commit(*first, 1, {.leases = {acked(run)}})));
  CHECK(outputs(*first) == 1);
  check_refused(commit(*first, 2, {.leases = {acked(run)}}), errc::unknown_lease,
                wire::CommitPart::settlement);
  CHECK(outputs(*first) == 1);
  // Whoever comes next is not given it again.
  first->close();
  raw_client next = client();
  open_queue(next);
  CHECK(leased(next).first() > run.first());
}

TEST_CASE_FIXTURE(inputs_scene,
                  "a commit sent again on another connection is recognised without its leases") {
  open_queue(*first);
  const inputs of{.leases = {acked(leased(*first))}};
  CHECK(is_done(commit(*first, 1, of)));
  first->close();
  {
    raw_client second = client();
    CHECK(is_done(commit(second, 1, of), true));
    CHECK(outputs(second) == 1);
  }
  broker->stop(milliseconds(10'000));
  start();
  raw_client third = client();
  CHECK(is_done(commit(third, 1, of), true));
  CHECK(outputs(third) == 1);
  // One that was not made is refused, because its lease has gone with its connection.
  check_refused(commit(third, 2, of), errc::unknown_lease, wire::CommitPart::settlement);
}

TEST_CASE_FIXTURE(inputs_scene, "two tries of one commit at the same time are one commit") {
  open_queue(*first);
  const inputs of{.leases = {acked(leased(*first))}};
  bytes both = commit_frame(*first, 30, 1, of);
  const bytes again = commit_frame(*first, 31, 1, of);
  both.insert(both.end(), again.begin(), again.end());
  REQUIRE(first->send_bytes(both));
  CHECK(first->answer(30).type() == wire::Body::CommitOk);
  CHECK(first->answer(31).type() == wire::Body::CommitOk);
  CHECK(outputs(*first) == 1);
}

TEST_CASE_FIXTURE(inputs_scene, "leases that are another's, never given or cut short are refused by index") {
  open_queue(*first);
  const wire::LeasedRun run = leased(*first);
  raw_client other = client();
  open_queue(other);
  check_refused(commit(other, 1, {.leases = {acked(run)}}), errc::unknown_lease,
                wire::CommitPart::settlement);
  const wire::AckedRun unknown(consumer, 999, 0, 1);
  check_refused(commit(*first, 2, {.leases = {acked(run), unknown}}), errc::unknown_lease,
                wire::CommitPart::settlement, 1);
  check_refused(commit(*first, 3, {.leases = {acked(run, 100)}}), errc::unknown_lease,
                wire::CommitPart::settlement);
  const wire::AckedRun nobody(77, run.lease(), run.first(), 1);
  check_refused(commit(*first, 4, {.leases = {nobody}}), errc::unknown_lease, wire::CommitPart::settlement);
  CHECK(outputs(*first) == 0);
  // All of that has left the lease as it was.
  CHECK(is_done(commit(*first, 5, {.leases = {acked(run)}})));
}

TEST_CASE_FIXTURE(inputs_scene, "a commit that is refused for its outputs gives the lease back untouched") {
  open_queue(*first);
  const wire::LeasedRun run = leased(*first);
  check_refused(commit(*first, 1, {.leases = {acked(run)}}, "missing"), errc::unknown_topic,
                wire::CommitPart::append);
  CHECK(is_done(commit(*first, 1, {.leases = {acked(run)}})));
}

TEST_CASE_FIXTURE(inputs_scene, "a lease that has run out is refused, and the record goes to somebody else") {
  open_queue(*first, 100);
  const wire::LeasedRun run = leased(*first);
  wire::LeasedRun again = run;
  while (again.attempt() == 1) again = leased(*first);
  check_refused(commit(*first, 1, {.leases = {acked(run)}}), errc::unknown_lease,
                wire::CommitPart::settlement);
  CHECK(outputs(*first) == 0);
}

TEST_CASE_FIXTURE(inputs_scene, "a member's position moves with its outputs, forwards only") {
  const auto member = join(*first);
  CHECK(is_done(commit(*first, 1, {.member = member, .position = 3})));
  check_refused(commit(*first, 2, {.member = member, .position = 2}), errc::offset_out_of_range,
                wire::CommitPart::position);
  check_refused(commit(*first, 3, {.member = member, .position = 5}), errc::offset_out_of_range,
                wire::CommitPart::position);
  CHECK(outputs(*first) == 1);
  CHECK(is_done(commit(*first, 4, {.member = member, .position = 4})));
}

TEST_CASE_FIXTURE(inputs_scene,
                  "who is not, or no longer, the member is refused, unless the commit was made") {
  const auto member = join(*first);
  check_refused(commit(*first, 1, {.member = {member.first, member.second + 1}, .position = 1}),
                errc::fenced_member, wire::CommitPart::position);
  check_refused(commit(*first, 1, {.member = {12345, 1}, .position = 1}), errc::unknown_member,
                wire::CommitPart::position);
  check_refused(commit(*first, 1, {.position = 1}), errc::group_in_use, wire::CommitPart::position);
  check_refused(commit(*first, 1, {.position = 1, .group = "no such name!"}), errc::invalid_request,
                wire::CommitPart::position);
  CHECK(outputs(*first) == 0);
  const inputs right{.member = member, .position = 1};
  CHECK(is_done(commit(*first, 1, right)));
  first->close();
  broker->stop(milliseconds(10'000));
  start();
  raw_client second = client();
  CHECK(is_done(commit(second, 1, right), true));
  check_refused(commit(second, 2, right), errc::unknown_member, wire::CommitPart::position);
  CHECK(outputs(second) == 1);
}

}  // namespace skald::server::test
