// NATS, through its C client. Subscribers have ordered consumers of a stream, or core subscriptions; requests
// are core NATS; workers fetch from one durable pull consumer and acknowledge each message.
#include "bench/compare/nats_live.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace skald::bench::compare::nats {

void check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  const char* const why = nats_GetLastError(nullptr);
  throw std::runtime_error(std::string("nats: ") + what + ": " + natsStatus_GetText(status) +
                           (why != nullptr ? std::string(": ") + why : ""));
}

connection::connection(const std::string& url, const connection_options& with) {
  natsOptions* options = nullptr;
  check(natsOptions_Create(&options), "options");
  const std::unique_ptr<natsOptions, decltype(&natsOptions_Destroy)> owned(options, natsOptions_Destroy);
  check(natsOptions_SetURL(options, url.c_str()), "address");
  check(natsOptions_SetSendAsap(options, with.when == sending::at_once), "options");
  check(natsOptions_UseGlobalMessageDelivery(options, with.shared_threads), "options");
  check(natsConnection_Connect(&connection_, options), "connect");
  jsOptions publishing;
  jsOptions_Init(&publishing);
  publishing.PublishAsync.MaxPending = with.unacknowledged_max;
  publishing.PublishAsync.StallWait = patience_ms;
  const natsStatus made = natsConnection_JetStream(&stream_, connection_, &publishing);
  if (made != NATS_OK) natsConnection_Destroy(connection_);
  check(made, "JetStream");
}

connection::~connection() {
  jsCtx_Destroy(stream_);
  natsConnection_Destroy(connection_);
}

std::string subject(std::size_t stream) {
  return "log." + std::to_string(stream);
}
std::string stream_name(std::size_t stream) {
  return "log-" + std::to_string(stream);
}

namespace {

constexpr const char* requests = "echo";

std::string_view data_of(natsMsg* message) {
  return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

// One that a thread waits at.
class synchronous_subscription {
 public:
  synchronous_subscription(const connection& at, const std::string& what) {
    check(natsConnection_SubscribeSync(&subscription_, at.get(), what.c_str()), "subscribe");
    check(natsSubscription_SetPendingLimits(subscription_, -1, -1), "limits");
    at.flush();
  }
  ~synchronous_subscription() { natsSubscription_Destroy(subscription_); }
  synchronous_subscription(const synchronous_subscription&) = delete;
  synchronous_subscription& operator=(const synchronous_subscription&) = delete;

  // Gives one message to `into`; false when none came.
  template <class Into>
  bool receive(milliseconds patience, Into into) {
    natsMsg* message = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&message, subscription_, patience.count());
    if (status == NATS_TIMEOUT) return false;
    check(status, "receive");
    into(message);
    natsMsg_Destroy(message);
    return true;
  }

 private:
  natsSubscription* subscription_ = nullptr;
};

// The library calls back for all of them on as many threads as there are processors; reading is done by one
// thread for each connection, which it insists on.
class nats_audience final : public audience {
 public:
  nats_audience(const std::string& url, source what, std::size_t subscribers, delivery_sink into)
      : into_(std::move(into)) {
    check(nats_SetMessageDeliveryPoolSize(static_cast<int>(std::thread::hardware_concurrency())), "threads");
    for (std::size_t i = 0; i < subscribers; ++i) {
      seat& one = seats_.emplace_back(*this, i, url);
      subscribe(one, what);
    }
  }
  ~nats_audience() override {
    for (seat& each : seats_) natsSubscription_Unsubscribe(each.subscription);
    constexpr std::chrono::seconds completion_max{10};  // a connection may be lost
    std::unique_lock lock(mutex_);
    all_gone_.wait_for(lock, completion_max, [this] { return gone_ == completing_; });
  }
  void attend(milliseconds patience) override { std::this_thread::sleep_for(patience); }

 private:
  struct seat {
    seat(nats_audience& of, std::size_t which, const std::string& url)
        : owner(of), number(which), at(url, {.when = sending::at_once, .shared_threads = true}) {}
    ~seat() { natsSubscription_Destroy(subscription); }
    nats_audience& owner;
    std::size_t number;
    connection at;
    natsSubscription* subscription = nullptr;
  };

  void subscribe(seat& one, source what) {
    const std::string from = subject(0);
    if (what == source::jetstream) {
      jsSubOptions with;
      jsSubOptions_Init(&with);
      with.Ordered = true;
      check(
          js_Subscribe(&one.subscription, one.at.stream(), from.c_str(), take, &one, nullptr, &with, nullptr),
          "subscribe");
    } else {
      check(natsConnection_Subscribe(&one.subscription, one.at.get(), from.c_str(), take, &one), "subscribe");
    }
    // When it is unsubscribed a call may be under way; this comes after it.
    check(natsSubscription_SetOnCompleteCB(one.subscription, forget, this), "subscribe");
    ++completing_;
    check(natsSubscription_SetPendingLimits(one.subscription, -1, -1), "limits");
    one.at.flush();
  }

  static void take(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
    const seat& one = *static_cast<seat*>(closure);
    one.owner.into_(one.number, data_of(message));
    natsMsg_Destroy(message);
  }
  static void forget(void* closure) {
    auto& self = *static_cast<nats_audience*>(closure);
    const std::lock_guard lock(self.mutex_);
    ++self.gone_;
    self.all_gone_.notify_all();
  }

  delivery_sink into_;
  std::size_t completing_ = 0;  // of how many the end will be told
  std::mutex mutex_;
  std::condition_variable all_gone_;
  std::size_t gone_ = 0;  // guarded by it
  std::deque<seat> seats_;
};

std::string new_inbox() {
  natsInbox* made = nullptr;
  check(natsInbox_Create(&made), "inbox");
  std::string name = made;
  natsInbox_Destroy(made);
  return name;
}

// What natsConnection_Request does, for as many requests at a time as one likes.
class nats_caller final : public caller {
 public:
  nats_caller(const std::string& url, sending when)
      : to_(url, {.when = when}), inbox_(new_inbox()), replies_(to_, inbox_) {}
  void ask(std::string_view request) override {
    check(natsConnection_PublishRequest(to_.get(), requests, inbox_.c_str(), request.data(),
                                        static_cast<int>(request.size())),
          "request");
  }
  bool receive(const sink& into, milliseconds patience) override {
    return replies_.receive(patience, [&](natsMsg* reply) { into(data_of(reply)); });
  }

 private:
  connection to_;
  std::string inbox_;
  synchronous_subscription replies_;
};

class nats_responder final : public responder {
 public:
  nats_responder(const std::string& url, sending when) : at_(url, {.when = when}), requests_(at_, requests) {}
  void serve(milliseconds patience) override {
    requests_.receive(patience, [this](natsMsg* request) {
      check(natsConnection_Publish(at_.get(), natsMsg_GetReply(request), natsMsg_GetData(request),
                                   natsMsg_GetDataLength(request)),
            "reply");
    });
  }

 private:
  connection at_;
  synchronous_subscription requests_;
};

class nats_worker final : public worker {
 public:
  explicit nats_worker(const std::string& url) : from_(url) {
    const std::string stream = stream_name(0);
    jsSubOptions with;
    jsSubOptions_Init(&with);
    with.Stream = stream.c_str();
    with.Consumer = queue;
    check(js_PullSubscribe(&subscription_, from_.stream(), nullptr, queue, nullptr, &with, nullptr),
          "subscribe");
  }
  ~nats_worker() override { natsSubscription_Destroy(subscription_); }
  nats_worker(const nats_worker&) = delete;
  nats_worker& operator=(const nats_worker&) = delete;

  bool read(const sink& into, milliseconds patience) override {
    natsMsgList some{};
    const natsStatus status =
        natsSubscription_Fetch(&some, subscription_, jobs_at_a_time, patience.count(), nullptr);
    if (status == NATS_TIMEOUT) return false;
    check(status, "fetch");
    for (int i = 0; i < some.Count; ++i) {
      into(data_of(some.Msgs[i]));
      check(natsMsg_Ack(some.Msgs[i], nullptr), "acknowledge");
    }
    natsMsgList_Destroy(&some);
    return true;
  }
  void finish() override { from_.flush(); }

 private:
  // A fetch waits until it has all of them, or until the patience is over.
  static constexpr int jobs_at_a_time = jobs_ahead_max / 2;

  connection from_;
  natsSubscription* subscription_ = nullptr;
};

}  // namespace

std::unique_ptr<audience> open_audience(const std::string& url, source what, std::size_t subscribers,
                                        delivery_sink into) {
  return std::make_unique<nats_audience>(url, what, subscribers, std::move(into));
}
std::unique_ptr<caller> open_caller(const std::string& url, sending when) {
  return std::make_unique<nats_caller>(url, when);
}
std::unique_ptr<responder> open_responder(const std::string& url, sending when) {
  return std::make_unique<nats_responder>(url, when);
}
std::unique_ptr<worker> open_worker(const std::string& url) {
  return std::make_unique<nats_worker>(url);
}

}  // namespace skald::bench::compare::nats
