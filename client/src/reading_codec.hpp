// What FetchOk and Delivery say alike, decoded.
#pragma once

#include <memory>
#include <string>

#include "client/src/received.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

template <class Reading>
delivery_facts decode_facts(std::shared_ptr<const std::string> topic, partition_id partition,
                            const Reading& reading) {
  delivery_facts facts{std::move(topic), partition, offset(reading.offset()),
                       offset(reading.high_watermark()), offset(reading.log_start())};
  const protocol::each offsets(reading.offsets());
  facts.offsets.reserve(offsets.size());
  for (const std::uint64_t at : offsets) facts.offsets.emplace_back(at);
  if (reading.next_offset() != 0) facts.next = offset(reading.next_offset());
  return facts;
}

}  // namespace skald::detail
