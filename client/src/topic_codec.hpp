// Between the public types of topic.hpp and their wire form.
#pragma once

#include <skald/topic.hpp>
#include "protocol/wire.hpp"

namespace skald::detail {

flatbuffers::Offset<wire::TopicSettings> encode(flatbuffers::FlatBufferBuilder& builder,
                                                const topic_settings& settings);
topic_info decode(const wire::TopicInfo& topic);
broker_status decode(const wire::StatusOk& status);

}  // namespace skald::detail
