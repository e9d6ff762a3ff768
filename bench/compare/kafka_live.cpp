// Kafka, through librdkafka. Subscribers read the topic's partition without a group; workers share a group's
// positions, each with a partition of its own.
#include "bench/compare/kafka_live.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "bench/limit/files.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare::kafka {

namespace {

using clock = std::chrono::steady_clock;
using limit::checked;
using limit::unique_fd;

constexpr milliseconds answer_max{5'000};
constexpr milliseconds between_tries{50};
constexpr std::size_t records_at_a_time = 1'000;

using event_handle = std::unique_ptr<rd_kafka_event_t, release<rd_kafka_event_destroy>>;

void fetch_without_pause(configuration& with) {
  // So much that it never stops fetching: newer versions, when their queue was full, go on a second later.
  with.set("queued.min.messages", "10000000");
  with.set("queued.max.messages.kbytes", "1048576");
}

// Whether a server that has just started, or has just made a topic, says so.
bool is_passing(rd_kafka_resp_err_t status) {
  switch (status) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
      return true;
    default:
      return false;
  }
}

template <class Ask>
void ask_until_ready(const char* what, Ask ask) {
  const auto deadline = clock::now() + ready_max;
  rd_kafka_resp_err_t status = ask();
  while (is_passing(status) && clock::now() < deadline) {
    limit::throw_if_interrupted();
    std::this_thread::sleep_for(between_tries);
    status = ask();
  }
  check(status, what);
}

// Gives what `next` returns, as long as it returns something, to the sink.
template <class Next>
std::size_t give_all(const sink& into, milliseconds patience, Next next) {
  for (std::size_t count = 0; count < records_at_a_time; ++count) {
    const message_handle record(next(count == 0 ? count_of(patience) : 0));
    if (!record) return count;
    check(record->err, "consume");
    into({static_cast<const char*>(record->payload), record->len});
  }
  return records_at_a_time;
}

}  // namespace

void fail(const char* what, const std::string& why) {
  throw std::runtime_error(std::string("kafka: ") + what + ": " + why);
}
void check(rd_kafka_resp_err_t status, const char* what) {
  if (status != RD_KAFKA_RESP_ERR_NO_ERROR) fail(what, rd_kafka_err2str(status));
}

// ---- clients ---------------------------------------------------------------------------------------------

configuration::configuration(std::uint16_t port) : handle_(rd_kafka_conf_new()) {
  set("bootstrap.servers", "127.0.0.1:" + std::to_string(port));
  // Small requests wait for the answer to the one before otherwise.
  set("socket.nagle.disable", "true");
  // What goes wrong is thrown; the rest is about connections that it makes again by itself.
  set("log_level", "2");
}

configuration::~configuration() {
  if (handle_ != nullptr) rd_kafka_conf_destroy(handle_);
}

void configuration::set(const char* name, const std::string& value) {
  std::array<char, 256> why{};
  if (rd_kafka_conf_set(handle_, name, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
    fail(name, why.data());
}

void configuration::tell_acknowledgements(on_acknowledged* call, void* opaque) {
  rd_kafka_conf_set_opaque(handle_, opaque);
  rd_kafka_conf_set_dr_msg_cb(handle_, call);
}

client_handle configuration::make(rd_kafka_type_t type) {
  std::array<char, 256> why{};
  client_handle made(rd_kafka_new(type, handle_, why.data(), why.size()));
  if (!made) fail("client", why.data());
  handle_ = nullptr;  // the client's now
  return made;
}

// ---- topics ----------------------------------------------------------------------------------------------

topic_handle open_topic(rd_kafka_t* client, const char* name) {
  topic_handle made(rd_kafka_topic_new(client, name, nullptr));
  if (!made) check(rd_kafka_last_error(), "topic");
  return made;
}

namespace {

// "": it is there.
std::string try_to_create(rd_kafka_t* client, const char* name, std::size_t partitions) {
  using new_topic = std::unique_ptr<rd_kafka_NewTopic_t, release<rd_kafka_NewTopic_destroy>>;
  using admin_options = std::unique_ptr<rd_kafka_AdminOptions_t, release<rd_kafka_AdminOptions_destroy>>;
  std::array<char, 256> why{};
  const new_topic topic(rd_kafka_NewTopic_new(name, static_cast<int>(partitions), 1, why.data(), why.size()));
  const admin_options options(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  const int time = count_of(answer_max);
  rd_kafka_AdminOptions_set_request_timeout(options.get(), time, why.data(), why.size());
  // Until it can be written to.
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), time, why.data(), why.size());
  const queue_handle answers(rd_kafka_queue_new(client));
  std::array<rd_kafka_NewTopic_t*, 1> topics{topic.get()};
  rd_kafka_CreateTopics(client, topics.data(), topics.size(), options.get(), answers.get());
  const event_handle answer(rd_kafka_queue_poll(answers.get(), 2 * time));
  if (!answer) return "no answer";
  if (rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return rd_kafka_event_error_string(answer.get());
  std::size_t count = 0;
  const auto* const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
  const auto status = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
  if (status == RD_KAFKA_RESP_ERR_NO_ERROR || status == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return {};
  return rd_kafka_err2str(status);
}

}  // namespace

// A server that accepts connections may not know its controller yet.
void create_topic(rd_kafka_t* client, const char* name, std::size_t partitions) {
  const auto deadline = clock::now() + ready_max;
  for (;;) {
    limit::throw_if_interrupted();
    const std::string why = try_to_create(client, name, partitions);
    if (why.empty()) return;
    if (clock::now() > deadline) fail("create the topic", why);
    std::this_thread::sleep_for(between_tries);
  }
}

std::int64_t end_of(rd_kafka_t* client, std::int32_t partition) {
  std::int64_t first = 0;
  std::int64_t end = 0;
  ask_until_ready("positions", [&] {
    return rd_kafka_query_watermark_offsets(client, log_topic, partition, &first, &end, count_of(ready_max));
  });
  return end;
}

// ---- subscribers -----------------------------------------------------------------------------------------

subscription::subscription(std::uint16_t port, std::int32_t partition, bool from_beginning,
                           const waking& wake)
    : partition_(partition) {
  configuration with(port);
  fetch_without_pause(with);
  client_ = with.make(RD_KAFKA_CONSUMER);
  topic_ = open_topic(client_.get(), log_topic);
  came_.reset(rd_kafka_queue_new(client_.get()));
  if (wake.to >= 0) rd_kafka_queue_io_event_enable(came_.get(), wake.to, &wake.what, sizeof wake.what);
  const std::int64_t end = end_of(client_.get(), partition);
  const std::int64_t from = from_beginning ? RD_KAFKA_OFFSET_BEGINNING : end;
  if (rd_kafka_consume_start_queue(topic_.get(), partition, from, came_.get()) != 0)
    check(rd_kafka_last_error(), "consume");
}

subscription::~subscription() {
  rd_kafka_consume_stop(topic_.get(), partition_);
}

std::size_t subscription::read(const sink& into, milliseconds patience) {
  return give_all(into, patience,
                  [this](int wait_ms) { return rd_kafka_consume_queue(came_.get(), wait_ms); });
}

namespace {

// Each subscriber is a client with threads of its own, which write its number into a pipe when records come.
class kafka_audience final : public audience {
 public:
  kafka_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into) : into_(std::move(into)) {
    std::array<int, 2> ends{-1, -1};
    checked("pipe", [&] { return ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK); });
    woken_ = unique_fd(ends[0]);
    wakes_ = unique_fd(ends[1]);
    for (std::uint32_t i = 0; i < subscribers; ++i)
      seats_.push_back(std::make_unique<subscription>(port, 0, false, waking{ends[1], i}));
  }

  void attend(milliseconds patience) override {
    pollfd some{.fd = woken_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&some, 1, count_of(patience)) <= 0) return;
    std::array<std::uint32_t, 256> numbers;
    const ssize_t bytes = ::read(woken_.get(), numbers.data(), sizeof numbers);
    for (ssize_t i = 0; i < bytes / static_cast<ssize_t>(sizeof numbers[0]); ++i)
      read_all(numbers[static_cast<std::size_t>(i)]);
  }

 private:
  // Nobody is told of what comes to those that are left.
  void read_all(std::size_t which) {
    const sink take = [&](std::string_view record) { into_(which, record); };
    while (seats_[which]->read(take, milliseconds(0)) != 0) {
    }
  }

  delivery_sink into_;
  unique_fd woken_;
  unique_fd wakes_;
  std::vector<std::unique_ptr<subscription>> seats_;
};

// ---- workers ---------------------------------------------------------------------------------------------

// Has its partition from the start: a group that hands partitions out takes seconds to agree on it. It
// commits its position as often as the server answers, and reads on meanwhile.
class kafka_worker final : public worker {
 public:
  kafka_worker(std::uint16_t port, std::int32_t partition) : partition_(partition) {
    configuration with(port);
    fetch_without_pause(with);
    with.set("group.id", "work");
    with.set("enable.auto.commit", "false");
    client_ = with.make(RD_KAFKA_CONSUMER);
    topic_ = open_topic(client_.get(), log_topic);  // for the client to know the partition by then
    answers_.reset(rd_kafka_queue_new(client_.get()));
    end_of(client_.get(), partition);
    // The server makes the topic where it stores positions when it is first asked for one.
    const partitions own = mine();
    ask_until_ready("positions",
                    [&] { return rd_kafka_committed(client_.get(), own.get(), count_of(ready_max)); });
  }
  ~kafka_worker() override { rd_kafka_consumer_close(client_.get()); }
  kafka_worker(const kafka_worker&) = delete;
  kafka_worker& operator=(const kafka_worker&) = delete;

  bool read(const sink& into, milliseconds patience) override {
    if (!std::exchange(assigned_, true)) check(rd_kafka_assign(client_.get(), mine().get()), "assign");
    const std::size_t count = give_all(
        into, patience, [this](int wait_ms) { return rd_kafka_consumer_poll(client_.get(), wait_ms); });
    read_ += count;
    // The next read must not be more than may be ahead.
    const bool has_to_wait = committing_ + read_ > jobs_ahead_max - records_at_a_time;
    take_answer(has_to_wait ? ready_max : milliseconds(0));
    if (committing_ == 0 && read_ != 0) commit();
    return count != 0;
  }
  void finish() override {
    take_answer(ready_max);
    if (read_ != 0) commit();
    take_answer(ready_max);
  }

 private:
  using partitions =
      std::unique_ptr<rd_kafka_topic_partition_list_t, release<rd_kafka_topic_partition_list_destroy>>;

  partitions mine() const {
    partitions own(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(own.get(), log_topic, partition_)->offset = RD_KAFKA_OFFSET_BEGINNING;
    return own;
  }
  // The position behind what was read.
  void commit() {
    check(rd_kafka_commit_queue(client_.get(), nullptr, answers_.get(), nullptr, nullptr), "commit");
    committing_ = std::exchange(read_, 0);
  }
  void take_answer(milliseconds patience) {
    if (committing_ == 0) return;
    const event_handle answer(rd_kafka_queue_poll(answers_.get(), count_of(patience)));
    if (!answer && patience != milliseconds(0)) fail("commit", "no answer");
    if (!answer) return;
    const auto status = rd_kafka_event_error(answer.get());
    // The commit before was made so late that it covered these, too.
    if (status != RD_KAFKA_RESP_ERR__NO_OFFSET) check(status, "commit");
    committing_ = 0;
  }

  std::int32_t partition_;
  client_handle client_;
  topic_handle topic_;
  queue_handle answers_;  // to commits
  bool assigned_ = false;
  std::size_t read_ = 0;        // records, that no commit covers
  std::size_t committing_ = 0;  // records, that the one under way covers
};

}  // namespace

std::unique_ptr<audience> open_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into) {
  return std::make_unique<kafka_audience>(port, subscribers, std::move(into));
}

std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which) {
  return std::make_unique<kafka_worker>(port, static_cast<std::int32_t>(which));
}

}  // namespace skald::bench::compare::kafka
