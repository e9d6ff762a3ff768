// Who caused what: ids that travel with records and requests, as headers.
//
//   message-id       what a record is known by, wherever it is received; unique. A record without that header
//                    is known by its place: TOPIC/PARTITION/OFFSET.
//   correlation-id   what it belongs to: the id of the request, order, or saga that began it all
//   causation-id     the message id of the record that brought it about
//
// The names are those of AMQP and of the literature on event sourcing. Sagas and their participants,
// choreography, the outbox, and durable requests set them by themselves. A program that receives and
// publishes otherwise hands them on:
//
//   const auto cause = skald::tracing::caused_by(received);
//   effect.trace(cause);                                       // all that this unit of work appends
//   std::vector<skald::header> headers = cause.headers();      // or one record, or a request
//
// `skald trace ID` shows all that has this correlation id, as a tree of causes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/options.hpp>
#include <skald/record.hpp>

namespace skald {
class service_request;
}

namespace skald::tracing {

inline constexpr std::string_view message_id_header = "message-id";
inline constexpr std::string_view correlation_id_header = "correlation-id";
inline constexpr std::string_view causation_id_header = "causation-id";

// The first header of that name; one without a value is "". Absent: there is none.
std::optional<std::string_view> find_header(std::span<const header> in, std::string_view name);
std::optional<std::string_view> find_header(const record& in, std::string_view name);

std::string message_id_of(const record& received);

// The ids that something is published with, besides its own.
struct lineage {
  std::string correlation_id;  // empty: none
  std::string causation_id;    // empty: none

  // Views into this. Only what is not empty.
  std::vector<header> headers() const;
  // The same for what has headers already: those that say otherwise stay.
  void add_to(std::vector<header>& headers) const;
  friend bool operator==(const lineage&, const lineage&) = default;
};

// Of what is done because of this. Something that belongs to nothing begins something: its own id is then
// what the others belong to.
lineage caused_by(const record& received);
// A request is in memory only, and has a message id only if its caller gave it one.
lineage caused_by(const service_request& asked);

}  // namespace skald::tracing
