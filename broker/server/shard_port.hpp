// What sessions ask of a shard, wherever that shard runs.
//
// Sessions live on one reactor, the shard on another (or the same). Requests and completions are handed over
// in batches, so an asynchronous call costs far less than a wake-up. Threading: a port belongs to one
// reactor; its functions are called there, never block, and call their completion there, later, never before
// they return. A completion is dropped unrun when the broker stops.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard/shard.hpp"
#include "skald/protocol/types.hpp"

namespace skald::server {

enum class start_kind : std::uint8_t { earliest, latest, offset, time };

// Where reading a partition begins. `value` is an offset or milliseconds since the epoch, by kind. Topic 0 is
// the one that the request names.
struct start_at {
  partition_id partition;
  start_kind kind = start_kind::earliest;
  std::int64_t value = 0;
  topic_id topic = {};
};

// A start, as an offset; by time, the batch that holds it has yet to be looked into.
struct located_start {
  topic_id topic;
  shard::partition_info info;
  offset at;
  std::shared_ptr<const shard::read_plan> look_inside;  // null unless by time
  timestamp wanted;
};

struct located_topics {
  shard::failure why;  // unknown_topic, unknown_partition, offset_out_of_range, invalid_topic_name
  std::vector<shard::shard::resolved_topic> topics;
  std::vector<located_start> starts;  // in order of topic and partition
};

// Destroying it cancels the wait it stands for; the completion may still be on its way then.
using wait_token = std::shared_ptr<void>;
using shared_plan = std::shared_ptr<const shard::read_plan>;
using shared_key_plan = std::shared_ptr<const shard::key_plan>;

class group_port;

// Which named timers to list; see shard::list_timers().
struct timer_page {
  std::string owner_prefix;
  std::string after_owner;
  std::string after_name;
  std::size_t limit = 0;
};

class shard_port {
 public:
  virtual ~shard_port() = default;

  virtual void create_topic(std::string name, shard::topic_settings settings, bool if_absent,
                            shard::shard::topic_done done) = 0;
  virtual void alter_topic(std::string name, shard::topic_changes changes, shard::shard::topic_done done) = 0;
  virtual void delete_topic(std::string name, std::function<void(shard::failure)> done) = 0;
  virtual void describe_topic(std::string name,
                              std::function<void(std::optional<shard::topic_info>)> done) = 0;
  virtual void list_topics(std::string after, std::size_t limit,
                           std::function<void(std::vector<shard::topic_info>, bool more)> done) = 0;

  virtual void append(std::vector<shard::append_request> batches, durability wanted,
                      shard::shard::append_done done) = 0;
  virtual void init_producer(shard::producer_request what, shard::shard::producer_done done) = 0;
  virtual void commit(shard::commit_request what, shard::shard::commit_done done) = 0;

  // `starts` for those partitions; with `others` all other partitions too, as that says. `topic` may be a
  // pattern; then starts of topics that do not match, or are gone, are left out.
  virtual void locate(std::string topic, std::vector<start_at> starts, std::optional<start_at> others,
                      std::function<void(located_topics)> done) = 0;
  // The next batches of a partition at once, even if there are none.
  virtual void plan(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
                    std::function<void(shared_plan)> done) = 0;
  // The same as soon as there are any, or a failure to report.
  virtual wait_token plan_when_readable(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
                                        std::function<void(shared_plan)> done) = 0;

  // `partition` absent: the one that the key belongs to.
  virtual void plan_key(std::string topic, std::optional<partition_id> partition, std::string key,
                        std::uint64_t from_version, std::size_t limit,
                        std::function<void(partition_id, shared_key_plan)> done) = 0;
  virtual void list_keys(std::string topic, partition_id partition, std::string prefix, std::string after,
                         std::size_t limit, std::function<void(shard::key_listing)> done) = 0;

  virtual group_port& groups() = 0;
  virtual void list_timers(timer_page which,
                           std::function<void(std::vector<shard::timer_info>, bool more)> done) = 0;

  virtual void stats(std::function<void(shard::statistics)> done) = 0;
};

}  // namespace skald::server
