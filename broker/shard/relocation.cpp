#include "broker/shard/relocation.hpp"

#include <algorithm>
#include <utility>

#include "skald/protocol/record_batch.hpp"

namespace skald::shard {

std::optional<journal::generation> choose_relocation(std::span<const segment_use> candidates,
                                                     std::uint64_t segments, std::uint64_t segment_bytes,
                                                     std::uint64_t live_bytes) {
  if (segments * segment_bytes <= live_bytes + live_bytes / 2 + 2 * segment_bytes) return std::nullopt;
  const segment_use* least = nullptr;
  for (const segment_use& use : candidates) {
    // What is empty already is released, not relocated.
    if (use.live_bytes == 0 || use.live_bytes > segment_bytes / 2) continue;
    if (least == nullptr || use.live_bytes < least->live_bytes) least = &use;
  }
  return least == nullptr ? std::nullopt : std::optional(least->segment);
}

namespace {

std::string name_of(const state::place_row& what) {
  if (const auto* timer = std::get_if<state::timer_key>(&what.what))
    return "of timer " + std::to_string(timer->id);
  const auto& batch = std::get<state::batch_key>(what.what);
  return "topic id " + std::to_string(batch.of.topic.value()) + ", partition " +
         std::to_string(batch.of.partition.value()) + ", offset " + std::to_string(batch.base.value());
}

}  // namespace

relocator::relocator(const state::tables& in, const journal::journal& from, background& worker,
                     executor& runs_on, propose how, std::function<void(const std::string&)> warn)
    : tables_(in),
      journal_(from),
      worker_(worker),
      runs_on_(runs_on),
      propose_(std::move(how)),
      warn_(std::move(warn)) {}

relocator::~relocator() {
  *self_ = nullptr;
}

void relocator::start(journal::generation segment) {
  busy_ = true;
  next_ = {segment, 0};
  step();
}

std::optional<journal::place> relocator::place_of(const state::place_row& what) const {
  const auto found = [](const auto& row) { return row ? std::optional(row->at) : std::nullopt; };
  if (const auto* timer = std::get_if<state::timer_key>(&what.what)) return found(tables_.timers.get(*timer));
  return found(tables_.batches.get(std::get<state::batch_key>(what.what)));
}

void relocator::step() {
  std::vector<item> items;
  std::uint64_t bytes = 0;
  const journal::generation segment = next_.segment;
  tables_.places.scan(next_, [&](const state::place_key& from, const state::place_row& lies) {
    if (from.segment != segment) return false;
    const auto at = place_of(lies);
    if (!at) return true;
    items.push_back({from, lies, at->bytes});
    bytes += at->bytes;
    return bytes < step_bytes_max && items.size() < step_batches_max;
  });
  journal::segment_pin pin = journal_.pin(segment);
  if (items.empty() || pin == nullptr) {
    busy_ = false;
    return;
  }
  next_ = {segment, items.back().from.position + 1};

  worker_.post([self = self_, items = std::move(items), pin = std::move(pin), &runs_on = runs_on_] {
    std::vector<read_item> batches;
    batches.reserve(items.size());
    for (const item& what : items) batches.push_back(read(what, pin));
    runs_on.post([self, batches = std::move(batches)]() mutable {
      if (*self != nullptr) (*self)->propose_again(std::move(batches));
    });
  });
}

relocator::read_item relocator::read(const item& what, const journal::segment_pin& from) {
  const std::shared_ptr<buffer> bytes = buffer::allocate(what.bytes);
  const iovec into{bytes->data(), what.bytes};
  read_item done{what, {}, {}};
  if (const auto failed = journal::read(*from, what.from.position, {&into, 1}, file::blocking::allowed)) {
    done.damage = failed.message();
    return done;
  }
  done.batch = slice(bytes, {bytes->data(), what.bytes});
  const auto batch = protocol::batch_view::parse(done.batch.bytes());
  if (!batch || batch->size() != what.bytes || !batch->crc_matches())
    done.damage = "its checksum does not match";
  return done;
}

void relocator::propose_again(std::vector<read_item> batches) {
  std::vector<journal::new_entry> entries;
  for (read_item& read : batches) {
    const item& what = read.what;
    if (!read.damage.empty()) {
      damaged_.insert(what.from.segment);
      warn_("segment " + std::to_string(what.from.segment.value()) + ": the batch at position " +
            std::to_string(what.from.position) + " (" + name_of(what.lies) +
            ") cannot be read: " + read.damage + "; the segment is kept as it is");
      continue;
    }
    const command moved = relocated_command{what.lies, what.bytes, what.from};
    entries.push_back(
        {.kind = journal::entry_kind::local, .head = encoder_.encode(moved), .body = std::move(read.batch)});
  }
  if (entries.empty()) return step();
  const bool accepted = propose_(std::move(entries), [self = self_] {
    if (*self != nullptr) (*self)->step();
  });
  // Without room it ends here. The shard starts it again, from where the places table says.
  if (!accepted) busy_ = false;
}

}  // namespace skald::shard
