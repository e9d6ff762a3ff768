// What a producer does, without I/O, clock or threads: records in, batches out, answers in, outcomes out.
//
// Each partition has one stream of batches: an open one that records are appended to, then those waiting to
// be sent, then those in flight, oldest last. Batches carry the producer's identity and consecutive sequence
// numbers, so that the broker can tell a repetition (it answers with the first outcome) from a hole
// (out_of_order_sequence). It remembers the last remembered_batches of them, hence no more are in flight
// at a time.
//
// Sequences. A batch whose outcome is unknown (in doubt: it was sent, and the connection went) is only ever
// sent again with its old number. A batch that was definitely not stored is renumbered to follow what was.
// After any refusal a partition recovers: it lets everything in flight be answered (what follows a refused
// batch is out of order), then goes on in order. If the broker finds the oldest batch out of order, it has
// lost track of this producer (a crash took records acknowledged from memory, the topic was created anew):
// the partition goes on under a new identity, from sequence 0; nothing can be doubled, because that batch was
// refused.
//
// A producer with a name has one id, and the broker refuses all epochs of it but the newest, in every
// partition. So it asks for the next epoch, instead of another identity, once nothing is in flight or in
// doubt anywhere, and then goes on under it everywhere. When it is fenced it has failed for good: it never
// takes back a name that another has taken over.
//
// Not thread safe; producer_engine holds a lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/options.hpp>
#include <skald/producer.hpp>
#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/result.hpp>
#include <skald/record.hpp>

namespace skald::detail {

using steady_time = std::chrono::steady_clock::time_point;

// What a producer must know of a topic.
struct topic_facts {
  std::uint32_t partitions = 1;
  std::uint32_t batch_bytes_max = 0;   // 0: no limit known
  std::uint32_t record_bytes_max = 0;  // 0: no limit known
};

// The answer to one append of a Publish.
struct append_outcome {
  errc code = errc::ok;
  std::string message;
  std::optional<offset> base_offset;
  std::uint32_t partitions = 0;  // of the topic now; 0: unknown
};

using producer_identity = std::pair<producer_id, producer_epoch>;

// Told what became of one record.
using acknowledge = unique_function<void(const result<published>&)>;

struct sealed_batch;
struct partition_stream;
struct producer_topic;

struct publish_frame {
  struct append {
    std::string topic;
    partition_id partition;
    std::shared_ptr<const std::vector<std::byte>> batch;
  };
  std::uint64_t ticket = 0;  // for answered()
  std::vector<append> appends;
};

// A batch, or records never put into one, with what became of it.
struct settlement {
  std::string topic;
  partition_id partition;
  std::uint32_t records = 0;
  result<published> outcome = failure{};                       // of the first record
  std::vector<std::pair<std::uint32_t, acknowledge>> waiting;  // by index in the batch
};

struct producer_effects {
  bool initialise = false;                  // ask for an identity, then call initialised()
  std::optional<producer_identity> renews;  // the one that is to follow this
  std::vector<std::string> describe;        // ask about these topics, then call described()
  std::vector<publish_frame> publish;
  std::vector<settlement> settled;
  std::optional<steady_time> wake_at;  // poll again then
};

class producer_core {
 public:
  // Throws skald::error (invalid_request) for a name that no producer can have.
  explicit producer_core(const producer_options& options);
  ~producer_core();

  // ---- records in --------------------------------------------------------------------------------------
  enum class acceptance { accepted, full };
  // Copies the record. `expires`: fails by then; by default after options.delivery_timeout. Throws
  // skald::error for a record that can never be accepted.
  acceptance accept(std::string_view topic, const message& what, acknowledge ack, steady_time now,
                    const std::optional<steady_time>& expires = {});
  bool has_room() const { return buffered_bytes_ < options_.buffer_bytes_max; }
  // Whether something has come up that poll() should hear about soon; reset by poll().
  bool wants_poll() const { return wants_poll_; }

  // ---- flushing ----------------------------------------------------------------------------------------
  // Everything accepted so far goes without linger. Returns what to pass to flushed().
  std::uint64_t begin_flush();
  bool flushed(std::uint64_t flush) const { return unsettled_.empty() || unsettled_.begin()->first > flush; }

  // ---- events ------------------------------------------------------------------------------------------
  void connected(std::uint32_t frame_bytes_max);
  void disconnected();
  void initialised(const result<producer_identity>& identity, steady_time now);
  void described(const std::string& topic, const result<topic_facts>& facts, steady_time now);
  // One outcome for each append of the frame; or one for all of them.
  void answered(std::uint64_t ticket, const std::vector<append_outcome>& outcomes, skald::durability achieved,
                steady_time now);
  void refused(std::uint64_t ticket, const failure& why, steady_time now);
  // Fails everything.
  void abandon(const failure& why);

  // ---- effects out -------------------------------------------------------------------------------------
  producer_effects poll(steady_time now);

  const std::string& name() const { return name_; }
  // Why nothing can be accepted any more, once another producer has taken over the name.
  const std::optional<failure>& fenced() const { return fenced_; }
  const producer_statistics& statistics() const { return statistics_; }
  std::uint64_t buffered_bytes() const { return buffered_bytes_; }

 private:
  struct record_terms;
  using batch_ptr = std::shared_ptr<sealed_batch>;

  producer_topic& find_topic(std::string_view name);
  partition_stream& stream(producer_topic& topic, std::uint32_t partition);
  std::uint32_t choose(producer_topic& topic, const message& what);
  void check_size(const producer_topic& topic, const message& what, std::size_t bytes) const;
  void append(partition_stream& to, const message& what, record_terms terms);
  void hold(producer_topic& topic, const message& what, record_terms terms);
  void release_held(producer_topic& topic, steady_time now);
  void fail_held(producer_topic& topic, const failure& why);
  void fail_front(producer_topic& topic, failure why);
  void limit_batches(producer_topic& topic) const;

  void seal(partition_stream& of);
  void activate(partition_stream& stream);
  void touch(partition_stream& stream);
  void deactivate(partition_stream& stream);
  bool may_send(partition_stream& from, steady_time now);
  bool open_is_due(const partition_stream& of, steady_time now) const;
  bool give_identity(partition_stream& to);
  bool give_epoch(partition_stream& to);
  // A name is asked for at once: whoever had it is to be fenced before anything is published.
  bool needs_identity() const {
    return identity_wanted_ && !identity_asked_ && !fenced_ && (!name_.empty() || !active_.empty());
  }
  // Whether it has a name and waits for its next epoch.
  bool is_renewing() const { return !name_.empty() && identity_ && identity_wanted_; }
  bool is_quiet() const;
  void number(partition_stream& in, sealed_batch& batch);
  void gather(producer_effects& effects, steady_time now);
  void ask(producer_effects& effects, steady_time now);
  void expire(partition_stream& in, steady_time now);
  void give_up(const batch_ptr& batch);
  void look_at_all();
  void look_again(const partition_stream& at, steady_time now);
  void plan_wake(producer_effects& effects, steady_time now) const;

  void outcome_of(const batch_ptr& batch, const append_outcome& outcome, skald::durability achieved,
                  steady_time now);
  void be_fenced(const batch_ptr& batch, const append_outcome& outcome);
  void take_stored(partition_stream& in, const sealed_batch& batch);
  void leave_flight(const batch_ptr& batch);
  void end_recovery(partition_stream& of);
  void requeue(const batch_ptr& batch);
  void settle(const batch_ptr& batch, result<published> outcome);
  void recycle(std::shared_ptr<std::vector<std::byte>> buffer);
  void count_unsettled(std::uint64_t generation);
  void count_settled(std::uint64_t generation);

  const producer_options options_;  // its name is not to be looked at: a view into what the caller had
  const std::string name_;          // empty: none
  std::optional<failure> fenced_;
  bool connected_ = false;
  std::size_t frame_bytes_max_ = 16u << 20;  // until the broker says
  bool wants_poll_ = false;

  std::optional<producer_identity> identity_;
  bool identity_wanted_ = true;
  bool identity_asked_ = false;
  steady_time identity_not_before_{};
  failure identity_trouble_;

  struct name_hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::unique_ptr<producer_topic>, name_hash, std::equal_to<>> topics_;
  producer_topic* last_topic_ = nullptr;
  // Polling takes as long as there is news, not as there are partitions: of those that it knows nothing new
  // of, it knows that they have nothing to send, and when that changes with time.
  std::vector<partition_stream*> active_;   // those with batches
  std::vector<partition_stream*> touched_;  // of which something has changed since the last poll
  std::deque<partition_stream*> ready_;  // those that may have something to send, in the order of their turns
  bool all_touched_ = false;
  // The first moment at which time alone may change something for one of them; no later than that.
  steady_time look_again_ = steady_time::max();
  std::unordered_map<std::uint64_t, std::vector<batch_ptr>> tickets_;
  std::uint64_t last_ticket_ = 0;
  std::vector<std::vector<std::byte>> spare_buffers_;
  std::deque<std::shared_ptr<std::vector<std::byte>>> held_buffers_;  // spare as soon as nobody sends them
  std::vector<settlement> settled_;

  std::uint64_t buffered_bytes_ = 0;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t generation_ = 1;
  std::uint64_t flush_up_to_ = 0;
  std::map<std::uint64_t, std::uint64_t> unsettled_;  // batches and held records by generation
  producer_statistics statistics_;
};

}  // namespace skald::detail
