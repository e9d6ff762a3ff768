// Everything a user of the client needs.
#pragma once

#include <skald/blocking_client.hpp>
#include <skald/blocking_durable_request.hpp>
#include <skald/blocking_service.hpp>
#include <skald/client.hpp>
#include <skald/commit.hpp>
#include <skald/durable_request.hpp>
#include <skald/group.hpp>
#include <skald/options.hpp>
#include <skald/producer.hpp>
#include <skald/protocol/error.hpp>
#include <skald/protocol/types.hpp>
#include <skald/queue.hpp>
#include <skald/record.hpp>
#include <skald/service.hpp>
#include <skald/subscription.hpp>
#include <skald/topic.hpp>
#include <skald/tracing.hpp>
