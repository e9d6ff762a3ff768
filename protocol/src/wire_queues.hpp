// Checks of the messages about queues; see wire.cpp. Each says what is wrong with a message, or nullptr.
#pragma once

#include "protocol/wire.hpp"

namespace skald::protocol {

// A name that a message may not lack, and that is not too long.
inline bool is_missing(const flatbuffers::String* string) {
  return string == nullptr || string->size() > string_bytes_max;
}

inline constexpr const char* misaligned = "a list of it does not lie where its elements can be read";

const char* check(const wire::CreateQueue&);
const char* check(const wire::AlterQueue&);
const char* check(const wire::DeleteQueue&);
const char* check(const wire::DescribeQueue&);
const char* check(const wire::DescribeQueueOk&);
const char* check(const wire::ListQueuesOk&);
const char* check(const wire::PeekQueue&);
const char* check(const wire::PeekQueueOk&);
const char* check(const wire::RetryQueue&);
const char* check(const wire::PurgeQueue&);
const char* check(const wire::SettleDead&);
const char* check(const wire::OpenQueue&);
const char* check(const wire::OpenQueueOk&);
const char* check(const wire::CloseQueue&);
const char* check(const wire::QueueDelivery&);
const char* check(const wire::Settle&);
const char* check(const wire::SettleOk&);
const char* check(const wire::QueueNotice&);

}  // namespace skald::protocol
