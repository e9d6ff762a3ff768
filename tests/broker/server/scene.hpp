// A session without a network or a disk: a client that writes and reads frames, a shard in memory, and time
// that only moves when told to.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/server/service_link.hpp"
#include "broker/server/session.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/batch_builder.hpp"

namespace skald::server::test {

inline constexpr std::uint64_t plenty = 1u << 30;  // bytes of credit, for those who never have to wait for it

using steady = std::chrono::steady_clock;

// Runs what was posted when told to, in order.
class manual_executor final : public executor {
 public:
  void post(task work) override { tasks_.push_back(std::move(work)); }
  void post_after(std::chrono::milliseconds delay, task work) override {
    timers_.emplace(now_ + delay, std::move(work));
  }
  bool running_here() const override { return true; }

  steady::time_point now() const { return now_; }
  std::size_t delayed() const { return timers_.size(); }
  void run() {
    while (!tasks_.empty()) {
      const task work = std::move(tasks_.front());
      tasks_.pop_front();
      work();
    }
  }
  void advance(std::chrono::milliseconds by) {
    now_ += by;
    while (!timers_.empty() && timers_.begin()->first <= now_) {
      const task work = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      work();
      run();
    }
  }

 private:
  std::deque<task> tasks_;
  std::multimap<steady::time_point, task> timers_;
  steady::time_point now_{std::chrono::hours(1)};
};

using bytes = std::vector<std::byte>;

// Consumer groups as a test wants them: it says what members are told.
class fake_groups final : public group_port {
 public:
  std::vector<group_join> joins;
  std::function<void(group_event)> tell;  // to whoever joined last
  std::vector<std::string> heard;         // the other calls
  std::size_t connections_lost = 0;

  token join(group_join who, std::function<void(group_event)> then) override {
    joins.push_back(std::move(who));
    tell = std::move(then);
    return token(this, [this](void*) { ++connections_lost; });
  }
  void heartbeat(std::string group, membership) override { heard.push_back("heartbeat " + group); }
  void leave(std::string group, membership) override { heard.push_back("leave " + group); }
  void release(std::string group, membership, std::vector<partition_ref> given_back) override {
    heard.push_back("release " + group + " " + std::to_string(given_back.size()));
  }
  void commit(std::string group, membership, std::vector<shard::shard::position> positions,
              done then) override {
    heard.push_back("commit " + group + " " + std::to_string(positions.size()));
    then({});
  }
  void list(std::string, std::size_t, std::function<void(std::vector<group_summary>, bool)> then) override {
    then({{"billing", 2, 3, 4}}, false);
  }
  void describe(group_query what, std::function<void(group_description)> then) override {
    group_description none;
    none.why = {errc::unknown_group, "there is no group " + what.group};
    then(none);
  }
  void remove(std::string, done then) override { then({errc::group_in_use, "it has members"}); }
};

// A shard that keeps everything in memory and is durable at once, unless told to hold acknowledgements back.
class fake_shard final : public shard_port, public batch_source {
 public:
  struct batch {
    bytes data;
    offset base;
    std::uint32_t records = 0;
    bool expired = false;
  };
  struct partition {
    std::vector<batch> batches;
    offset log_start;
    offset end;
  };
  struct topic {
    shard::topic_info info;
    std::vector<partition> partitions;
  };

  explicit fake_shard(executor& runs_on) : runs_on_(runs_on) {}

  // What a test may turn.
  bool hold_acknowledgements = false;
  std::vector<executor::task> held;
  bool memory_only_reads = false;  // reads say would_block unless blocking is allowed
  std::map<std::string, topic> topics;
  std::size_t appends_seen = 0;
  std::size_t waits() const { return waits_.size(); }

  void release() {
    for (const auto& one : std::exchange(held, {})) runs_on_.post(one);
  }

  void create_topic(std::string name, shard::topic_settings settings, bool if_absent,
                    shard::shard::topic_done done) override {
    if (topics.contains(name) && !if_absent) {
      return runs_on_.post([=] { done({errc::topic_exists, "topic " + name + " exists"}, {}); });
    }
    topic& made = topics[name];
    made.info.name = name;
    made.info.id = topic_id(++last_topic_);
    made.info.settings = settings;
    made.partitions.resize(settings.partitions);
    runs_on_.post([done, info = made.info] { done({}, info); });
  }
  void alter_topic(std::string name, shard::topic_changes changes, shard::shard::topic_done done) override {
    const auto found = topics.find(name);
    if (found == topics.end())
      return runs_on_.post([=] { done({errc::unknown_topic, "no topic " + name}, {}); });
    auto& settings = found->second.info.settings;
    settings.partitions = changes.partitions.value_or(settings.partitions);
    settings.retention_bytes = changes.retention_bytes.value_or(settings.retention_bytes);
    found->second.partitions.resize(settings.partitions);
    runs_on_.post([done, info = found->second.info] { done({}, info); });
  }
  void delete_topic(std::string name, std::function<void(shard::failure)> done) override {
    const bool was = topics.erase(name) > 0;
    runs_on_.post(
        [=] { done(was ? shard::failure{} : shard::failure{errc::unknown_topic, "no topic " + name}); });
    wake();
  }
  void describe_topic(std::string name, std::function<void(std::optional<shard::topic_info>)> done) override {
    const auto found = topics.find(name);
    runs_on_.post([done, info = found == topics.end() ? std::nullopt : std::optional(found->second.info)] {
      done(info);
    });
  }
  void list_topics(std::string after, std::size_t limit,
                   std::function<void(std::vector<shard::topic_info>, bool)> done) override {
    std::vector<shard::topic_info> list;
    auto at = topics.upper_bound(after);
    for (; at != topics.end() && list.size() < limit; ++at) list.push_back(at->second.info);
    runs_on_.post([done, list, more = at != topics.end()] { done(list, more); });
  }

  void append(std::vector<shard::append_request> batches, durability,
              shard::shard::append_done done) override {
    std::vector<shard::append_result> results;
    for (const shard::append_request& one : batches) results.push_back(append_one(one));
    executor::task finish = [done = std::move(done), results] { done(results); };
    if (hold_acknowledgements) {
      held.push_back(std::move(finish));
    } else {
      runs_on_.post(std::move(finish));
    }
    wake();
  }
  // A name's epochs are those of id 7, but for "taken", which somebody else has.
  void init_producer(shard::producer_request what, shard::shard::producer_done done) override {
    if (what.name == "taken")
      return runs_on_.post([done] {
        done({errc::fenced_producer, "another producer has taken over the name"}, producer_id(),
             producer_epoch());
      });
    const producer_epoch before = what.renews ? what.renews->epoch : producer_epoch(0);
    const auto epoch = static_cast<std::uint16_t>(before.value() + (what.name.empty() ? 0 : 1));
    runs_on_.post([done, epoch] { done({}, producer_id(7), producer_epoch(epoch)); });
  }
  // Every append of a commit, one after the other, until one is refused.
  void commit(shard::commit_request what, shard::shard::commit_done done) override {
    shard::commit_result result;
    for (const shard::append_request& one : what.appends) {
      result.appends.push_back(append_one(one));
      result.why = result.appends.back().why;
      result.refused = {shard::commit_part::kind::append,
                        static_cast<std::uint32_t>(result.appends.size() - 1)};
      if (result.why) break;
    }
    runs_on_.post([done, result] { done(result); });
    wake();
  }
  // Keys are the real shard's; no session test asks for them.
  void plan_key(std::string, std::optional<partition_id>, std::string, std::uint64_t, std::size_t,
                std::function<void(partition_id, shared_key_plan)> done) override {
    auto none = std::make_shared<shard::key_plan>();
    none->plan.why = {errc::not_indexed, "no index"};
    runs_on_.post([done, none] { done({}, none); });
  }
  void list_timers(timer_page, std::function<void(std::vector<shard::timer_info>, bool)> done) override {
    runs_on_.post([done] { done({}, false); });
  }
  void list_keys(std::string, partition_id, std::string, std::string, std::size_t,
                 std::function<void(shard::key_listing)> done) override {
    shard::key_listing none;
    none.why = {errc::not_indexed, "no index"};
    runs_on_.post([done, none] { done(none); });
  }

  void locate(std::string name, std::vector<start_at> starts, std::optional<start_at> others,
              std::function<void(located_topics)> done) override {
    located_topics located;
    const auto pattern = protocol::topic_pattern::parse(name);
    if (!pattern) located.why = {pattern.error().code, pattern.error().message};
    for (auto& [is, one] : topics) {
      if (!pattern || !pattern->matches(is)) continue;
      located.topics.push_back({one.info.id, static_cast<std::uint32_t>(one.partitions.size()), is});
      for (std::uint32_t i = 0; others && i < one.partitions.size(); ++i) {
        const auto named = [&](const start_at& start) {
          return start.partition == partition_id(i) && start.topic == one.info.id;
        };
        if (std::none_of(starts.begin(), starts.end(), named)) {
          locate_one(one, {partition_id(i), others->kind, others->value, one.info.id}, located);
        }
      }
      for (const start_at& start : starts) {
        if (start.topic == topic_id() || start.topic == one.info.id) locate_one(one, start, located);
      }
    }
    if (located.topics.empty() && pattern && !protocol::is_pattern(name)) {
      located.why = {errc::unknown_topic, "no such topic"};
    }
    runs_on_.post([done, located] { done(located); });
  }
  void plan(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
            std::function<void(shared_plan)> done) override {
    runs_on_.post([=, this] { done(make_plan(of, from, bytes_max)); });
  }
  wait_token plan_when_readable(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
                                std::function<void(shared_plan)> done) override {
    const std::uint64_t number = ++last_wait_;
    waits_.emplace(number, [=, this]() -> bool {
      auto plan = make_plan(of, from, bytes_max);
      if (!plan->why && plan->batches.empty() && plan->next == from) return false;
      runs_on_.post([done, plan] { done(plan); });
      return true;
    });
    wake();
    return wait_token(this, [this, number](void*) { waits_.erase(number); });
  }
  fake_groups members;
  group_port& groups() override { return members; }
  void stats(std::function<void(shard::statistics)> done) override {
    shard::statistics is;
    is.topics = static_cast<std::uint32_t>(topics.size());
    runs_on_.post([done, is] { done(is); });
  }

  std::error_code read(const shard::read_plan& plan, const batch_run& run, std::span<std::byte> into,
                       file::blocking mode) override {
    if (memory_only_reads && mode == file::blocking::refused) {
      return std::make_error_code(std::errc::operation_would_block);
    }
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      const bytes& stored = *stored_.at(plan.batches[i].at.position);
      std::memcpy(into.data(), stored.data(), stored.size());
      into = into.subspan(stored.size());
    }
    return {};
  }

  topic* find(topic_id id) {
    for (auto& [name, one] : topics) {
      if (one.info.id == id) return &one;
    }
    return nullptr;
  }

 private:
  shard::append_result append_one(const shard::append_request& one) {
    ++appends_seen;
    const auto found = topics.find(one.topic);
    if (found == topics.end()) return refused(errc::unknown_topic, "there is no topic " + one.topic);
    if (one.partition.value() >= found->second.partitions.size()) {
      return refused(errc::unknown_partition, "no such partition");
    }
    partition& to = found->second.partitions[one.partition.value()];
    to.batches.push_back({bytes(one.batch.bytes().begin(), one.batch.bytes().end()), to.end, one.records});
    const offset base = to.end;
    to.end += one.records;
    shard::append_result stored;
    stored.base_offset = base;
    stored.partition = one.partition;
    stored.partitions = static_cast<std::uint32_t>(found->second.partitions.size());
    return stored;
  }
  static shard::append_result refused(errc code, std::string message) {
    shard::append_result result;
    result.why = {code, std::move(message)};
    return result;
  }

  void locate_one(topic& in, const start_at& start, located_topics& located) {
    if (start.partition.value() >= in.partitions.size()) {
      located.why = {errc::unknown_partition, "no such partition"};
      return;
    }
    const partition& of = in.partitions[start.partition.value()];
    located_start found;
    found.topic = in.info.id;
    found.info = {start.partition, of.log_start, of.end, 0};
    found.at = start.kind == start_kind::earliest ? of.log_start : of.end;
    if (start.kind == start_kind::offset) found.at = offset(static_cast<std::uint64_t>(start.value));
    if (start.kind == start_kind::time) {
      found.wanted = timestamp(std::chrono::milliseconds(start.value));
      for (const batch& one : of.batches) {
        if (protocol::batch_view::parse(one.data)->max_timestamp() < found.wanted) continue;
        auto plan = std::make_shared<shard::read_plan>();
        plan->batches.push_back(place(one));
        found.at = one.base;
        found.look_inside = plan;
        break;
      }
    }
    located.starts.push_back(found);
  }

  shard::stored_batch place(const batch& one) {
    stored_.push_back(std::make_shared<bytes>(one.data));
    return {one.base,
            one.records,
            3,
            {journal::generation(1), static_cast<std::uint32_t>(stored_.size() - 1),
             static_cast<std::uint32_t>(one.data.size())}};
  }

  shared_plan make_plan(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max) {
    auto plan = std::make_shared<shard::read_plan>();
    topic* const in = find(of.topic);
    if (in == nullptr) {
      plan->why = {errc::unknown_topic, "the topic was deleted"};
      return plan;
    }
    const partition& at = in->partitions[of.partition.value()];
    plan->next = from;
    plan->high_watermark = at.end;
    plan->next = from;
    plan->log_start = at.log_start;
    if (from < at.log_start || from > at.end) plan->why = {errc::offset_out_of_range, "out of range"};
    std::uint64_t total = 0;
    for (const batch& one : at.batches) {
      if (plan->why || one.base + one.records <= from) continue;
      if (one.expired) {
        plan->next = one.base + one.records;
        continue;
      }
      if (!plan->batches.empty() && total + one.data.size() > bytes_max) break;
      total += one.data.size();
      plan->batches.push_back(place(one));
      plan->next = one.base + one.records;
    }
    return plan;
  }

  void wake() {
    std::erase_if(waits_, [](const auto& one) { return one.second(); });
  }

  executor& runs_on_;
  std::uint32_t last_topic_ = 0;
  std::uint64_t last_wait_ = 0;
  std::map<std::uint64_t, std::function<bool()>> waits_;
  std::vector<std::shared_ptr<bytes>> stored_;
};

// Blocking work is done when the executor runs.
class fake_background final : public background {
 public:
  explicit fake_background(executor& runs_on) : runs_on_(runs_on) {}
  void run(std::function<void()> work, std::function<void()> then) override {
    ++runs;
    runs_on_.post([=] { work(), then(); });
  }
  std::size_t runs = 0;

 private:
  executor& runs_on_;
};

// A frame that the broker sent, with its own copy of the bytes.
struct reply {
  std::vector<std::uint64_t> storage;  // FlatBuffers wants its buffers aligned
  std::size_t header_bytes = 0;
  bytes payload;
  const wire::Frame& frame() const { return *wire::GetFrame(storage.data()); }
  wire::Body type() const { return frame().body_type(); }
  std::uint64_t id() const { return frame().id(); }
  errc error() const {
    const auto* failed = frame().body_as_Error();
    return failed != nullptr ? static_cast<errc>(failed->code()) : errc::ok;
  }
  errc closing() const {
    const auto* closed = frame().body_as_Closing();
    return closed != nullptr ? static_cast<errc>(closed->code()) : errc::ok;
  }
};

inline bytes make_batch(const std::vector<std::string>& values, std::int64_t time_ms = 1000,
                        const protocol::batch_options& options = {}) {
  protocol::batch_builder builder;
  for (const std::string& value : values) {
    static_cast<void>(
        builder.append(std::nullopt, value, {}, timestamp(std::chrono::milliseconds(time_ms++))));
  }
  return builder.finish(options);
}

// One client's session with a broker of its own; or with services shared with another's.
struct scene : session::edge {
  explicit scene(service_hub* shared = nullptr) : services(shared != nullptr ? *shared : hub, time) {}
  virtual ~scene() = default;

  session_settings settings;
  manual_executor time;
  fake_shard shard{time};
  fake_background slow{time};
  std::shared_ptr<block_pool> memory = std::make_shared<block_pool>(8u << 20, 256u << 10, 1u << 20);
  plan_reader reader{shard, slow, *memory};
  counters counts;
  delivery::service_settings service_limits;
  service_hub hub{time, service_limits, [this] { return time.now(); }};
  service_link services;
  session_host host{settings,
                    shard,
                    services,
                    reader,
                    time,
                    counts,
                    [] { return broker_facts{}; },
                    [this] { return time.now(); }};
  std::shared_ptr<session> conversation = std::make_shared<session>(host, *this);
  protocol::frame_writer writer;
  int outputs = 0;
  int inputs_wanted = 0;

  void output_ready() override { ++outputs; }
  void input_wanted() override { ++inputs_wanted; }

  // Sends a request, whose answer is not waited for.
  template <class Build>
  void send(std::uint64_t id, Build build, bytes payload = {}) {
    auto& builder = writer.begin();
    const auto body = build(builder);
    const auto front = writer.finish(id, body, payload.size());
    auto raw = std::make_shared<bytes>(front.begin(), front.end());
    raw->insert(raw->end(), payload.begin(), payload.end());
    send_raw(raw);
  }
  // A whole frame, as received; whether the broker could find its bounds.
  bool send_raw(const std::shared_ptr<bytes>& raw) {
    const auto progress = protocol::parse_frame(*raw, settings.frames);
    if (!progress || !progress->complete()) return false;
    conversation->receive(progress->frame, raw);
    return true;
  }
  // Runs the broker and takes all it has to say.
  std::vector<reply> replies() {
    time.run();
    bytes all;
    while (!conversation->output().empty()) {
      iovec part{};
      conversation->output().gather({&part, 1});
      const auto* data = static_cast<const std::byte*>(part.iov_base);
      all.insert(all.end(), data, data + part.iov_len);
      conversation->output().consume(part.iov_len);
      conversation->output_sent();
      time.run();
    }
    std::vector<reply> out;
    for (std::span<const std::byte> rest = all; !rest.empty();) {
      const protocol::frame_view frame = protocol::parse_frame(rest, {1u << 30, 1u << 26})->frame;
      reply one;
      one.header_bytes = frame.header.size();
      one.storage.resize(frame.header.size() / 8 + 1);
      std::memcpy(one.storage.data(), frame.header.data(), frame.header.size());
      one.payload.assign(frame.payload.begin(), frame.payload.end());
      out.push_back(std::move(one));
      rest = rest.subspan(frame.size());
    }
    return out;
  }
  // The single answer to the single thing asked.
  reply answer() {
    auto all = replies();
    REQUIRE(all.size() == 1);
    return std::move(all.front());
  }
  template <class Build>
  reply ask(std::uint64_t id, Build build, bytes payload = {}) {
    send(id, std::move(build), std::move(payload));
    auto all = replies();
    for (reply& one : all) {
      if (one.id() == id) return std::move(one);
    }
    REQUIRE_FALSE(all.empty());
    return std::move(all.front());
  }

  // The steps most stories begin with.
  void greet() {
    ask(1, [](auto& b) { return wire::CreateHello(b, 1, 1, b.CreateString("test")); });
  }
  void create(const std::string& name, std::uint32_t partitions = 1) {
    ask(2, [&](auto& b) {
      const auto text = b.CreateString(name);
      return wire::CreateCreateTopic(b, text, wire::CreateTopicSettings(b, partitions));
    });
  }
  void send_publish(std::uint64_t id, const std::string& topic, std::uint32_t partition, const bytes& batch) {
    send(
        id,
        [&](auto& b) {
          const auto append = wire::CreateAppend(b, b.CreateString(topic), partition,
                                                 static_cast<std::uint32_t>(batch.size()));
          return wire::CreatePublish(b, b.CreateVector(std::vector{append}));
        },
        batch);
  }
  // What became of publishing one batch.
  errc publish(const std::string& topic, std::uint32_t partition, const bytes& batch) {
    send_publish(3, topic, partition, batch);
    for (const reply& one : replies()) {
      if (one.id() == 3 && one.type() == wire::Body::PublishOk) {
        return static_cast<errc>(one.frame().body_as_PublishOk()->appended()->Get(0)->code());
      }
    }
    return errc::internal_error;
  }
  void send_subscribe(std::uint64_t id, const std::string& topic, std::uint64_t subscription,
                      std::uint64_t credit, wire::Start start = wire::Start::earliest,
                      std::int64_t value = 0) {
    send(id, [&](auto& b) {
      return wire::CreateSubscribe(b, subscription, b.CreateString(topic), 0, start, value, credit, 0);
    });
  }
};

// What a shard would tell of a topic in the fake one.
inline shard::topic_change change_of(const fake_shard::topic& topic,
                                     shard::topic_change::kind what = shard::topic_change::kind::grew) {
  return {what, topic.info.id, topic.info.name, static_cast<std::uint32_t>(topic.partitions.size())};
}

// The deliveries among replies, as (partition, first offset wanted, values).
struct received {
  std::uint32_t partition = 0;
  std::uint64_t wanted = 0;
  std::uint32_t seek = 0;
  std::vector<std::pair<std::uint64_t, std::string>> records;
};
inline std::vector<received> deliveries_in(const std::vector<reply>& replies) {
  std::vector<received> out;
  protocol::batch_decoder decoder;
  for (const reply& one : replies) {
    const auto* delivery = one.frame().body_as_Delivery();
    if (delivery == nullptr) continue;
    received got{delivery->partition(), delivery->offset(), delivery->seek(), {}};
    for (protocol::batch_splitter rest(one.payload); !rest.done();) {
      const auto batch = rest.next();
      const auto records = decoder.check(*batch);
      for (const auto& record : *records) {
        got.records.emplace_back(record.offset.value(), std::string(record.value.value_or("")));
      }
    }
    out.push_back(std::move(got));
  }
  return out;
}

}  // namespace skald::server::test
