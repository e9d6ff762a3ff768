#include "client/src/received.hpp"

#include <algorithm>
#include <utility>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/error.hpp>

namespace skald::detail {

namespace {

constexpr std::size_t spare_decoders_max = 8;
// Compaction leaves records out.
constexpr protocol::batch_limits received_limits{.offset_gaps = true};

std::uint64_t records_from(const protocol::record_range& records, offset first) {
  return static_cast<std::uint64_t>(std::count_if(
      records.begin(), records.end(), [&](const protocol::record_view& one) { return one.offset >= first; }));
}

// What keeps a decompressed batch: the decoder whose buffer it is in.
std::shared_ptr<const record_source> source_of(const received_batches& batches,
                                               std::shared_ptr<protocol::batch_decoder> decoder) {
  return std::make_shared<const record_source>(batches.facts().topic, batches.facts().partition,
                                               std::move(decoder));
}

}  // namespace

std::shared_ptr<protocol::batch_decoder> decoder_pool::take() {
  std::unique_ptr<protocol::batch_decoder> decoder;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      decoder = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (!decoder) decoder = std::make_unique<protocol::batch_decoder>();
  return {decoder.release(), [pool = shared_from_this()](protocol::batch_decoder* done) {
            std::unique_ptr<protocol::batch_decoder> owned(done);
            const std::lock_guard lock(pool->mutex_);
            if (pool->spare_.size() < spare_decoders_max) pool->spare_.push_back(std::move(owned));
          }};
}

result<std::shared_ptr<received_batches>> received_batches::create(delivery_facts facts,
                                                                   std::span<const std::byte> payload,
                                                                   std::shared_ptr<const void> owner,
                                                                   std::shared_ptr<decoder_pool> decoders) {
  std::shared_ptr<received_batches> made(new received_batches);
  made->source_ = std::make_shared<const record_source>(facts.topic, facts.partition, std::move(owner));
  made->facts_ = std::move(facts);
  made->payload_ = payload;
  made->decoders_ = std::move(decoders);
  made->end_ = made->facts_.wanted;
  const auto added = made->facts_.offsets.empty() ? made->add_whole() : made->add_selected();
  if (!added) return added.error();
  if (made->facts_.next) made->end_ = std::max(made->end_, *made->facts_.next);
  return made;
}

result<> received_batches::add_whole() {
  for (protocol::batch_splitter rest(payload_); !rest.done();) {
    const auto batch = rest.next();
    if (!batch) return out_of_bounds(batch.error());
    const offset end = batch->last_offset() + 1;
    if (end <= end_) continue;  // all of it is before what is wanted
    const auto records = static_cast<std::uint64_t>(std::max(batch->record_count(), 0));
    const std::uint64_t unwanted = batch->base_offset() < end_ ? end_ - batch->base_offset() : 0;
    const bool gaps = records != end - batch->base_offset();
    count_ += gaps ? records : records - unwanted;
    end_ = end;
    batches_.push_back({*batch, {}, batch->compression_code() != 0, 0, gaps && unwanted > 0});
  }
  return {};
}

// The batches' own offsets mean nothing here.
result<> received_batches::add_selected() {
  const auto& offsets = facts_.offsets;
  std::size_t records = 0;
  for (protocol::batch_splitter rest(payload_); !rest.done();) {
    const auto batch = rest.next();
    if (!batch) return out_of_bounds(batch.error());
    const auto count = static_cast<std::size_t>(std::max(batch->record_count(), 0));
    batches_.push_back({*batch, {}, batch->compression_code() != 0, records});
    records += count;
  }
  if (records != offsets.size())
    return out_of_bounds({errc::corrupt_batch, std::to_string(records) + " records came with " +
                                                   std::to_string(offsets.size()) + " offsets"});
  const auto first = std::ranges::lower_bound(offsets, facts_.wanted);
  count_ = static_cast<std::uint64_t>(offsets.end() - first);
  end_ = std::max(end_, offsets.back() + 1);
  return {};
}

protocol::record_range received_batches::numbered(const part& batch,
                                                  const protocol::record_range& records) const {
  return facts_.offsets.empty() ? records : records.renumbered(facts_.offsets.data() + batch.first);
}

failure received_batches::out_of_bounds(const failure& why) const {
  return {why.code, "topic \"" + *facts_.topic + "\" partition " + std::to_string(facts_.partition.value()) +
                        " after offset " + std::to_string(end_.value()) + ": " + why.message};
}

failure received_batches::corrupt(const protocol::batch_view& batch, const failure& why) const {
  return {why.code, "the batch at offset " + std::to_string(batch.base_offset().value()) + " of topic \"" +
                        *facts_.topic + "\" partition " + std::to_string(facts_.partition.value()) +
                        " cannot be trusted: " + why.message +
                        "; check the broker's disk with skaldd verify"};
}

result<> received_batches::verify() {
  protocol::batch_decoder plain;
  for (auto& batch : batches_) {
    if (batch.compressed && !batch.uncounted) {  // its records are checked when they are decompressed
      if (!batch.view.crc_matches())
        return corrupt(batch.view, {errc::corrupt_batch, "its checksum does not match"});
      continue;
    }
    const auto records = plain.check(batch.view, received_limits);
    if (!records) return corrupt(batch.view, records.error());
    if (batch.uncounted) count_ -= records->size() - records_from(*records, facts_.wanted);
    if (!batch.compressed) batch.records = numbered(batch, *records);
  }
  return {};
}

std::optional<batch_cursor::step> batch_cursor::next() {
  while (next_ < of_->batches_.size()) {
    const auto& batch = of_->batches_[next_++];
    step found{{}, {}, of_->source_};
    protocol::record_range records = batch.records;
    if (batch.compressed) {
      auto decoder = of_->decoders_->take();
      const auto decoded = decoder->check(batch.view, received_limits);
      if (!decoded) {
        const failure why = of_->corrupt(batch.view, decoded.error());
        throw error(why.code, why.message);
      }
      records = of_->numbered(batch, *decoded);
      found.source = source_of(*of_, std::move(decoder));
    }
    found.at = records.begin();
    found.end = records.end();
    while (found.at != found.end && found.at->offset < of_->facts_.wanted) ++found.at;
    if (found.at != found.end) return found;
  }
  return std::nullopt;
}

}  // namespace skald::detail

namespace skald {

std::string_view record::topic() const {
  return source_ ? source_->topic() : std::string_view();
}

partition_id record::partition() const {
  return source_ ? source_->partition() : partition_id();
}

record record::detach() const {
  // A batch of one record is the one form in which headers, too, can be had as views.
  std::vector<header> headers;
  for (const header& one : view_.headers) headers.push_back(one);
  protocol::batch_builder builder(64);
  if (const errc code = builder.append(view_.key, view_.value, headers, view_.timestamp); code != errc::ok)
    throw error(code, "a record cannot be copied");
  auto bytes = std::make_shared<const std::vector<std::byte>>(builder.finish());
  record copy;
  copy.view_ = *protocol::batch_decoder().check(protocol::batch_view::parse(*bytes).value()).value().begin();
  copy.view_.offset = view_.offset;
  copy.source_ = std::make_shared<const detail::record_source>(
      source_ ? source_->topic_name() : std::shared_ptr<const std::string>(), partition(), std::move(bytes));
  return copy;
}

records::iterator records::begin() const {
  return batches_ ? iterator(batches_) : iterator();
}
records::iterator records::end() const {
  return {};
}

std::string_view records::topic() const {
  return batches_ && batches_->facts().topic ? std::string_view(*batches_->facts().topic)
                                             : std::string_view();
}
partition_id records::partition() const {
  return batches_ ? batches_->facts().partition : partition_id();
}
std::uint64_t records::size() const {
  return batches_ ? batches_->count() : 0;
}
offset records::begin_offset() const {
  return batches_ ? batches_->facts().wanted : offset();
}
offset records::end_offset() const {
  return batches_ ? batches_->end_offset() : offset();
}
std::size_t records::bytes() const {
  return batches_ ? batches_->bytes() : 0;
}
offset records::high_watermark() const {
  return batches_ ? batches_->facts().high_watermark : offset();
}
offset records::log_start() const {
  return batches_ ? batches_->facts().log_start : offset();
}
std::uint64_t records::lag() const {
  return end_offset() < high_watermark() ? high_watermark() - end_offset() : 0;
}
std::optional<offset_gap> records::gap() const {
  return batches_ ? batches_->facts().gap : std::nullopt;
}

records::iterator::iterator() = default;
records::iterator::iterator(std::shared_ptr<const detail::received_batches> batches)
    : cursor_(std::make_unique<detail::batch_cursor>(std::move(batches))) {
  next_batch();
}
records::iterator::iterator(iterator&&) noexcept = default;
records::iterator& records::iterator::operator=(iterator&&) noexcept = default;
records::iterator::~iterator() = default;

void records::iterator::next_batch() {
  auto step = cursor_->next();
  if (!step) {
    cursor_.reset();
    return;
  }
  at_ = step->at;
  batch_end_ = step->end;
  current_.source_ = std::move(step->source);
  current_.view_ = *at_;
}

}  // namespace skald
