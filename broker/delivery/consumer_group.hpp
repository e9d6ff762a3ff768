// One consumer group: who its members are, and which of them reads which partition.
//
// A pure core: events in, effects out. Time is a parameter; nothing here does I/O.
//
// Every partition has an owner, who may read it and commit positions of it, and a target, who is to own it.
// Most of the time they are the same. When the target changes, the owner is told to give the partition back;
// it finishes what it has begun, commits, and releases it, or loses it at a deadline; only then does the
// target become the owner. So no partition has two owners, and a slow member holds up nobody but the one who
// waits for just that partition.
//
// Targets are balanced within one, by moving as little as possible: a member that joins takes single
// partitions from those who have most, until the difference is one; those of a member that leaves go to those
// who have least. Each move costs the logarithm of the number of members, and a join moves no more than a
// fair share: ten thousand members may join at once. Members with different subscriptions share the topics
// that both read; balance is then sought and not promised.
//
// A member has an epoch, which rises with each of its connections: what an earlier one still sends is
// refused. A member with an instance name is static: a new process of that name takes its place, and its
// partitions, within the session timeout. After a restart of the broker, members join again and claim what
// they held; until hold_until() what nobody has claimed is kept back for those who are still on their way.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/shard/shard.hpp"
#include "skald/protocol/error.hpp"
#include "skald/protocol/topic_pattern.hpp"
#include "skald/protocol/types.hpp"

namespace skald::delivery {

using member_id = strong_id<struct member_id_tag, std::uint64_t>;
using member_epoch = strong_id<struct member_epoch_tag, std::uint32_t>;
using partition_ref = shard::shard::partition_ref;
using steady_time = std::chrono::steady_clock::time_point;

inline constexpr member_id nobody{};

struct join_request {
  std::string subscription{};  // a topic or a pattern, checked
  std::string instance{};      // empty: a dynamic member
  member_id member{};          // what it was before, or nobody
  member_epoch epoch{};
  std::vector<partition_ref> claims{};  // what it held when it was connected last
  std::chrono::milliseconds session_timeout{30'000};
  std::chrono::milliseconds release_timeout{30'000};
};

struct membership {
  member_id member;
  member_epoch epoch{};
};

// What is to be told to a member, on the connection with that epoch.
struct group_effect {
  enum class kind : std::uint8_t {
    assign,  // the partition is its own
    revoke,  // it is to finish with the partition and release it
    lose,    // it no longer has the partition
    end      // it is no member any more: fenced_member, or unknown_member when it was silent for too long
  } what = kind::assign;
  membership to;
  partition_ref of;
  errc why = errc::ok;
};

struct member_info {
  membership is;
  std::string instance;
  std::string subscription;
  bool connected = false;
  std::size_t partitions = 0;  // that it owns
};

class consumer_group {
 public:
  // Says which topics match, in any order.
  using topic_finder =
      std::function<std::vector<shard::shard::resolved_topic>(const protocol::topic_pattern& like)>;
  // `new_id` makes ids that are unlikely ever to repeat.
  consumer_group(topic_finder find, std::function<std::uint64_t()> new_id);
  consumer_group(const consumer_group&) = delete;
  consumer_group& operator=(const consumer_group&) = delete;

  // Until then only claims are honoured. Called before the first join.
  void hold_until(steady_time when);

  // ---- members ----
  // Never fails. Tells the member all that it has, by effects.
  membership join(const join_request& who, steady_time now);
  // ok, unknown_member or fenced_member.
  errc heartbeat(const membership& who, steady_time now);
  errc leave(const membership& who, steady_time now);
  errc release(const membership& who, const std::vector<partition_ref>& given_back, steady_time now);
  // The member may come back, within its session timeout.
  void connection_lost(const membership& who);

  // ---- positions ----
  // Whether the member may commit positions of these: ok, unknown_member or fenced_member. Nobody, that is a
  // stranger, may as long as no member has or awaits one of them: otherwise group_in_use.
  errc may_commit(const membership& who, const std::vector<partition_ref>& of) const;
  // Between these two, none of them gets another owner: it will begin where the commit ends.
  void commit_begun(const std::vector<partition_ref>& of);
  void commit_ended(const std::vector<partition_ref>& of);

  // ---- surroundings ----
  void topic_changed(const shard::topic_change& change, steady_time now);
  // Handles what is due.
  void tick(steady_time now);
  std::optional<steady_time> next_tick() const;

  std::vector<group_effect> take_effects() { return std::exchange(effects_, {}); }
  bool empty() const { return members_.empty() && committing_.empty(); }
  std::size_t size() const { return members_.size(); }
  std::vector<member_info> members(member_id after, std::size_t limit) const;
  // Nobody while the partition is on its way.
  member_id owner_of(partition_ref of) const;
  // At most `limit` of those that members follow, in order, at or after `from`, with their owners.
  std::vector<std::pair<partition_ref, member_id>> partitions(partition_ref from, std::size_t limit) const;

 private:
  // All members with the same subscription.
  struct audience {
    protocol::topic_pattern like;
    std::set<std::pair<std::size_t, member_id>> by_load;  // how many partitions each is to have
    std::set<topic_id> topics;
  };
  struct member {
    membership is;
    std::string instance;
    audience* in = nullptr;
    std::chrono::milliseconds session_timeout{};
    std::chrono::milliseconds release_timeout{};
    steady_time heard;
    bool connected = true;
    std::set<partition_ref> settled;  // it owns them and is to have them
    std::set<partition_ref> pending;  // it is to have them
    std::set<partition_ref> leaving;  // it owns them and is to release them
    std::size_t load() const { return settled.size() + pending.size(); }
  };
  struct partition {
    member_id owner;
    member_id target;
    steady_time release_by;
  };
  struct followed_topic {
    std::set<audience*> audiences;
  };
  struct due {
    membership session{};             // to be looked at, if the member still has that epoch
    std::optional<partition_ref> of;  // to have been released
  };

  member& add(const join_request& who, steady_time now);
  membership return_of(member& who, const join_request& again, steady_time now);
  audience& audience_of(const std::string& subscription);
  void follow(audience& who, topic_id id, std::uint32_t partitions);
  void leave_audience(member& who);
  void remove(member& gone, steady_time now);
  void claim(member& who, const std::vector<partition_ref>& claims);
  void forget_topic(topic_id gone);

  bool holding(steady_time now) const { return now < hold_until_; }
  void settle(steady_time now);
  void place(partition_ref of, steady_time now);
  void level(audience& to, steady_time now);
  std::optional<partition_ref> heaviest_load(const audience& to, std::size_t above);
  std::optional<partition_ref> movable(const member& from, const audience& to) const;
  void retarget(partition_ref of, member_id to, steady_time now);
  void grant_if_free(partition_ref of);
  void take_from_owner(partition_ref of);
  static void update_load(member& who, std::size_t before);
  void tell(const member& who, group_effect::kind what, partition_ref of = {}, errc why = errc::ok);
  errc check(const membership& who) const;

  topic_finder find_;
  std::function<std::uint64_t()> new_id_;
  steady_time hold_until_{};
  std::map<member_id, member> members_;
  std::map<std::string, member_id> instances_;
  std::map<std::string, audience> audiences_;  // by subscription
  std::map<topic_id, followed_topic> topics_;  // that some audience reads
  std::map<partition_ref, partition> partitions_;
  std::set<partition_ref> unplaced_;                   // without a target
  std::map<partition_ref, std::uint32_t> committing_;  // commits under way
  std::multimap<steady_time, due> dues_;
  std::vector<group_effect> effects_;
};

}  // namespace skald::delivery
