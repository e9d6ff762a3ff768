// Reading by key.
#include <algorithm>
#include <utility>

#include <skald/client.hpp>
#include "client/src/connection.hpp"
#include "client/src/received.hpp"
#include "client/src/requests.hpp"

namespace skald {

using detail::incoming_frame;
using detail::on_loss;
using flatbuffers::FlatBufferBuilder;

namespace {

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> bytes(FlatBufferBuilder& to, std::string_view text) {
  return to.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

result<key_records> decode_key_records(const std::shared_ptr<const std::string>& topic,
                                       const incoming_frame& answer) {
  const auto* ok = answer.header->body_as_ReadKeyOk();
  if (ok == nullptr) return detail::unexpected_answer("expected ReadKeyOk");
  key_records found;
  found.version = ok->version();
  for (const std::uint64_t version : protocol::each(ok->versions())) found.versions.push_back(version);
  detail::delivery_facts facts{topic, partition_id(ok->partition()), offset(), offset(ok->high_watermark()),
                               offset(ok->log_start())};
  for (const std::uint64_t at : protocol::each(ok->offsets())) facts.offsets.emplace_back(at);
  auto batches = detail::received_batches::create(std::move(facts), answer.payload, answer.owner,
                                                  std::make_shared<detail::decoder_pool>());
  if (!batches) return batches.error();
  if (const auto verified = (*batches)->verify(); !verified) return verified.error();
  found.records = records(*std::move(batches));
  return found;
}

// The keys of all partitions, page by page, all within one deadline.
class key_lister : public std::enable_shared_from_this<key_lister> {
 public:
  key_lister(std::shared_ptr<detail::connection> through, std::string topic, std::string prefix,
             timeout limit, detail::completion<std::vector<key_info>> done)
      : connection_(std::move(through)),
        topic_(std::move(topic)),
        prefix_(std::move(prefix)),
        deadline_(connection_->deadline(limit)),
        done_(std::move(done)) {}

  void start() {
    ask([&](FlatBufferBuilder& to) { return wire::CreateDescribeTopic(to, to.CreateString(topic_)); },
        &key_lister::described);
  }

 private:
  template <class Build>
  void ask(Build build, void (key_lister::*then)(const incoming_frame&)) {
    auto& session = connection_->session();
    id_ = session.next_id();
    auto frame = session.encode(id_, build);
    done_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    session.submit(
        {id_, std::move(frame), "listing keys of topic \"" + topic_ + "\"", on_loss::repeat, true, deadline_},
        [self = shared_from_this(), then](const result<incoming_frame>& answer) {
          if (!answer) return self->done_.fail(detail::exception_of(answer.error()));
          ((*self).*then)(*answer);
        });
    connection_->kick();
  }

  void described(const incoming_frame& answer) {
    const auto* ok = answer.header->body_as_DescribeTopicOk();
    if (ok == nullptr) return fail("expected DescribeTopicOk");
    partitions_ = static_cast<std::uint32_t>(protocol::each(ok->topic()->partitions()).size());
    next_page();
  }
  void next_page() {
    ask(
        [&](FlatBufferBuilder& to) {
          const auto topic = to.CreateString(topic_);
          const auto prefix = bytes(to, prefix_);
          return wire::CreateListKeys(to, topic, partition_, prefix, bytes(to, after_), 0);
        },
        &key_lister::page);
  }
  void page(const incoming_frame& answer) {
    const auto* ok = answer.header->body_as_ListKeysOk();
    if (ok == nullptr) return fail("expected ListKeysOk");
    for (const auto* one : protocol::each(ok->keys())) {
      const protocol::each key(one->key());
      keys_.push_back({std::string(key.begin(), key.end()), partition_id(partition_), one->version(),
                       offset(one->latest())});
    }
    if (ok->more() && !protocol::each(ok->keys()).empty()) {
      after_ = keys_.back().key;
      return next_page();
    }
    after_.clear();
    if (++partition_ < partitions_) return next_page();
    std::ranges::sort(keys_, {}, &key_info::key);
    done_.succeed(std::move(keys_));
  }
  void fail(const char* expected) { done_.fail(detail::exception_of(detail::unexpected_answer(expected))); }
  void cancel() {
    const auto kept = shared_from_this();  // the request's handler is the other owner
    connection_->session().forget(id_);
    if (done_) done_.fail(detail::exception_of({errc::cancelled, "listing keys was cancelled"}));
  }

  std::shared_ptr<detail::connection> connection_;
  std::string topic_;
  std::string prefix_;
  detail::steady_time deadline_;
  detail::completion<std::vector<key_info>> done_;
  std::uint64_t id_ = 0;
  std::uint32_t partitions_ = 0;
  std::uint32_t partition_ = 0;
  std::string after_;
  std::vector<key_info> keys_;
};

}  // namespace

detail::operation<key_records> client::prepare_read_key(std::string_view topic, std::string_view key,
                                                        read_key_options options) {
  return detail::make_call<key_records>(
      connection_, "reading a key of topic \"" + std::string(topic) + "\"", on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& to) {
        const auto name = to.CreateString(topic);
        std::optional<std::uint32_t> partition;
        if (options.partition) partition = options.partition->value();
        return wire::CreateReadKey(to, name, bytes(to, key), partition, options.from_version,
                                   options.latest ? 0 : std::max(options.limit, 1u));
      },
      [name = std::make_shared<const std::string>(topic)](const incoming_frame& answer) {
        return decode_key_records(name, answer);
      });
}

detail::operation<std::vector<key_info>> client::prepare_list_keys(std::string_view topic,
                                                                   list_keys_options options) {
  return {connection_->get_executor(),
          [through = connection_, topic = std::string(topic), prefix = std::string(options.prefix),
           limit = options.timeout](detail::completion<std::vector<key_info>> done) {
            std::make_shared<key_lister>(through, topic, prefix, limit, std::move(done))->start();
          }};
}

}  // namespace skald
