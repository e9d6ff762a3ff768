#include "tools/bench/crew.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "tools/bench/asking.hpp"
#include "tools/bench/orchestrating.hpp"
#include "tools/bench/producing.hpp"

namespace skald::cli::bench {
namespace {

constexpr std::uint64_t buffer_bytes = 160u
                                       << 20;  // more than may be in flight, which is the limit that counts

std::uint64_t share_of(std::uint64_t count, std::uint32_t index, std::uint32_t of) {
  return count / of + (index < count % of ? 1 : 0);
}

// Adds the producers, whose records complete when `completions` of them have.
void add_producers(crew& to, const options& with, const scene& on, const payload_pool& payloads,
                   std::uint64_t completions, bool until_acknowledged) {
  to.sent = std::make_unique<sending>(
      sending{streams(with.producers, with.partitions), std::vector<std::uint64_t>()});
  for (std::uint32_t i = 0; i < with.producers; ++i) {
    to.in_flight->push_back(std::make_unique<flow>(completions));
    const producing how{.topic = on.topic,
                        .partitions = with.partitions,
                        .keys = with.keys,
                        .batches = {.durability = with.durability,
                                    .compression = with.compression,
                                    .batch_bytes = with.batch_bytes,
                                    .linger = with.linger,
                                    .buffer_bytes_max = buffer_bytes,
                                    .delivery_timeout = on.connection.timeout},
                        .index = i,
                        .of = with.producers,
                        .rate = with.rate,
                        .in_flight = in_flight_of(with, payloads.mean_bytes()),
                        .count = share_of(with.count, i, with.producers),
                        .until_acknowledged = until_acknowledged};
    to.leaders.push_back(
        std::make_unique<producing_worker>(on.connection, *on.run, how, payloads, *to.in_flight->back()));
  }
}

std::uint64_t sum(const std::vector<std::uint64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}

// The crew has moved meanwhile; its workers and what was sent have not.
template <class Worker>
std::vector<const Worker*> pointers(const std::vector<std::unique_ptr<worker>>& workers) {
  std::vector<const Worker*> all;
  all.reserve(workers.size());
  for (const auto& one : workers) all.push_back(static_cast<const Worker*>(one.get()));
  return all;
}

void collect_when_joined(crew& of) {
  of.collect_sent = [producers = pointers<producing_worker>(of.leaders), into = of.sent.get()] {
    into->records.clear();
    for (const producing_worker* one : producers)
      into->records.insert(into->records.end(), one->sent().begin(), one->sent().end());
  };
}

std::uint64_t unsent_by(const std::vector<const producing_worker*>& producers) {
  std::uint64_t all = 0;
  for (const producing_worker* one : producers) all += one->unsent();
  return all;
}

// The partitions of the `index`th of `of` consumers.
std::vector<partition_id> partitions_for(std::uint32_t index, std::uint32_t of, std::uint32_t partitions) {
  std::vector<partition_id> mine;
  for (std::uint32_t partition = index; partition < partitions; partition += of) mine.emplace_back(partition);
  return mine;
}

std::uint64_t records_in(blocking_client& broker, const std::string& topic) {
  std::uint64_t all = 0;
  for (const partition_info& each : broker.describe_topic(topic).partitions) all += each.end.value();
  return all;
}

// What was acknowledged from memory is there a moment later.
std::uint64_t records_in_soon(blocking_client& broker, const std::string& topic, std::uint64_t wanted,
                              milliseconds patience) {
  const auto deadline = steady::now() + patience;
  std::uint64_t found = records_in(broker, topic);
  while (found < wanted && steady::now() < deadline) found = records_in(broker, topic);
  return found;
}

}  // namespace

crew::~crew() {
  disband();
}

void crew::disband() {
  for (worker* one : all()) one->abandon();
  for (worker* one : all()) one->join();
}

std::vector<worker*> crew::all() const {
  std::vector<worker*> workers;
  workers.reserve(followers.size() + leaders.size());
  for (const auto& one : followers) workers.push_back(one.get());
  for (const auto& one : leaders) workers.push_back(one.get());
  return workers;
}

bool crew::all_complete() const {
  if (!sent) return true;
  for (std::size_t i = 0; i < in_flight->size(); ++i) {
    const auto first =
        sent->records.begin() + static_cast<std::ptrdiff_t>(sent->by.index(static_cast<std::uint32_t>(i), 0));
    const std::uint64_t by_this = std::accumulate(first, first + sent->by.partitions(), std::uint64_t{0});
    if ((*in_flight)[i]->under_way(by_this) != 0) return false;
  }
  return true;
}

crew publishing_crew(const options& with, const scene& on, const payload_pool& payloads) {
  crew made;
  add_producers(made, with, on, payloads, 1, true);
  collect_when_joined(made);
  for (const auto& one : made.leaders) made.counted.push_back(&one->count());
  made.latency_of = with.rate != 0 ? "from when it was due to its acknowledgement"
                                   : "from being handed over to its acknowledgement";
  made.verify = [producers = pointers<producing_worker>(made.leaders), sent = made.sent.get(), on,
                 alone = !with.existing](blocking_client& broker) {
    verification is{.records = sum(sent->records), .unsent = unsent_by(producers)};
    const std::uint64_t wanted = on.records_before + is.records;
    const std::uint64_t stored = records_in_soon(broker, on.topic, wanted, on.connection.timeout);
    if (stored < wanted) is.found.missing = wanted - stored;
    if (stored > wanted && alone) is.found.repeated = stored - wanted;
    return is;
  };
  return made;
}

crew subscribing_crew(const options& with, const scene& on, const payload_pool& payloads) {
  crew made;
  const bool fan_out = with.what == workload::fanout;
  add_producers(made, with, on, payloads, fan_out ? with.consumers : 1, false);
  collect_when_joined(made);
  for (std::uint32_t i = 0; i < with.consumers; ++i) {
    const reading what{
        .topic = on.topic,
        .partitions = partitions_for(fan_out ? 0 : i, fan_out ? 1 : with.consumers, with.partitions),
        .sent = &made.sent->by};
    made.followers.push_back(
        std::make_unique<following_worker>(on.connection, *on.run, what, *made.in_flight));
    made.counted.push_back(&made.followers.back()->count());
  }
  made.latency_of = with.rate != 0 ? "from when it was due to its receipt by a consumer"
                                   : "from being handed over to its receipt by a consumer";
  made.verify = [producers = pointers<producing_worker>(made.leaders),
                 readers = pointers<following_worker>(made.followers),
                 sent = made.sent.get()](blocking_client&) {
    verification is{.unsent = unsent_by(producers)};
    for (const following_worker* one : readers) {
      is.records += one->count().records;
      is.found += one->arrivals().found();
      for (const partition_id each : one->partitions())
        is.found.missing += one->arrivals().behind(each.value(), sent->records);
    }
    return is;
  };
  return made;
}

crew queueing_crew(const options& with, const scene& on, const payload_pool& payloads) {
  crew made;
  add_producers(made, with, on, payloads, 1, false);
  collect_when_joined(made);
  for (std::uint32_t i = 0; i < with.consumers; ++i) {
    const consuming what{
        .topic = on.topic, .queue = queue_name, .prefetch = with.prefetch, .sent = &made.sent->by};
    made.followers.push_back(std::make_unique<queue_worker>(on.connection, *on.run, what, *made.in_flight));
    made.counted.push_back(&made.followers.back()->count());
  }
  made.latency_of = with.rate != 0 ? "from when it was due to its receipt by a consumer"
                                   : "from being handed over to its receipt by a consumer";
  made.verify = [producers = pointers<producing_worker>(made.leaders),
                 consumers = pointers<queue_worker>(made.followers), sent = made.sent.get(),
                 topic = on.topic](blocking_client& broker) {
    verification is{.unsent = unsent_by(producers)};
    unordered_arrivals all(sent->by);
    for (const queue_worker* one : consumers) {
      is.records += one->count().records;
      all.merge(one->arrivals());
    }
    is.found = all.against(sent->records);
    const queue_info left = broker.describe_queue(topic, queue_name);
    // All was acknowledged, so that none may come again.
    is.found.missing += left.ready + left.leased + left.parked;
    return is;
  };
  return made;
}

crew requesting_crew(const options& with, const scene& on, const payload_pool& payloads) {
  crew made;
  for (std::uint32_t i = 0; i < with.producers; ++i) {
    const asking how{.subject = on.topic,
                     .index = i,
                     .of = with.producers,
                     .rate = with.rate,
                     .in_flight = in_flight_of(with, payloads.mean_bytes()),
                     .count = share_of(with.count, i, with.producers)};
    made.leaders.push_back(std::make_unique<asking_worker>(on.connection, *on.run, how, payloads));
    made.counted.push_back(&made.leaders.back()->count());
  }
  for (std::uint32_t i = 0; i < with.consumers; ++i)
    made.followers.push_back(std::make_unique<answering_worker>(on.connection, *on.run, on.topic));
  made.latency_of = with.rate != 0 ? "from when it was due to its reply" : "from the request to its reply";
  made.verify = [callers = pointers<asking_worker>(made.leaders)](blocking_client&) {
    verification is;
    for (const asking_worker* one : callers) {
      is.records += one->count().records;
      is.found += one->found();
      is.unsent += one->unsent();
    }
    return is;
  };
  return made;
}

crew orchestrating_crew(const options& with, const scene& on) {
  crew made;
  for (std::uint32_t i = 0; i < with.producers; ++i) {
    const orchestrating how{.name = on.topic,
                            .index = i,
                            .of = with.producers,
                            .partitions = with.partitions,
                            .rate = with.rate,
                            .in_flight = in_flight_of(with, 0),
                            .count = share_of(with.count, i, with.producers)};
    made.leaders.push_back(std::make_unique<orchestrating_worker>(on.connection, *on.run, how));
    made.counted.push_back(&made.leaders.back()->count());
  }
  made.latency_of = with.rate != 0 ? "from when it was due to its end" : "from its start to its end";
  made.verify = [workers = pointers<orchestrating_worker>(made.leaders)](blocking_client& broker) {
    verification is;
    for (const orchestrating_worker* one : workers) {
      is.records += one->ended();
      is.found += one->found(broker);
      is.unsent += one->unsent();
    }
    return is;
  };
  return made;
}

crew consuming_crew(const options& with, const scene& on, const sending* published) {
  crew made;
  for (std::uint32_t i = 0; i < with.consumers; ++i) {
    const reading what{.topic = on.topic,
                       .partitions = partitions_for(i, with.consumers, with.partitions),
                       .sent = published != nullptr ? &published->by : nullptr,
                       .expected = published != nullptr ? &published->records : nullptr};
    made.leaders.push_back(std::make_unique<catching_up_worker>(on.connection, *on.run, what));
    made.counted.push_back(&made.leaders.back()->count());
  }
  made.verify = [readers = pointers<catching_up_worker>(made.leaders)](blocking_client&) {
    verification is;
    for (const catching_up_worker* one : readers) {
      is.records += one->count().records;
      is.found += one->found();
    }
    return is;
  };
  return made;
}

crew filling_crew(const options& with, const scene& on, const payload_pool& payloads, std::uint64_t records) {
  options filling = with;
  filling.producers = 1;
  filling.rate = 0;
  filling.in_flight = 0;
  filling.count = records;
  return publishing_crew(filling, on, payloads);
}

}  // namespace skald::cli::bench
