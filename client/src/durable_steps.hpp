// What durable requests are made of, in either style: the commits, and how records are read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <skald/durable_request.hpp>
#include <skald/record.hpp>
#include <skald/topic.hpp>
#include <skald/tracing.hpp>

namespace skald::detail {

struct durable_steps {
  static constexpr std::string_view queue = "responders";
  static std::string requests_topic(std::string_view service) { return std::string(service) + ".requests"; }
  static std::string replies_topic(std::string_view service) { return std::string(service) + ".replies"; }
  static topic_settings settings_of(const durable_settings& with, topic_index index);

  // A request to store. It owns its bytes, as an operation needs it that outlives its call.
  struct request {
    request(std::string_view id, std::string_view body, const ask_options& options);
    commit to(std::string_view topic) const;
    std::string id;
    std::string body;
    tracing::lineage traced;
  };
  // What the work on a request may add to.
  static commit effect_of(const durable_request& asked);
  // Adds the input and the reply; says which append that is.
  static std::size_t add_answer(commit& effect, const durable_request& to, const durable_answer& with,
                                std::string_view replies);

  // What a refused answer means for its request.
  enum class refusal {
    lost,      // it is somebody else's
    answered,  // it has its reply already
    theirs,    // of what else is in the commit
  };
  static refusal judge(const commit_refused& why, std::size_t reply);

  static durable_reply read(const record& reply);
  // The reply with that id, among records of the topic of replies.
  static std::optional<durable_reply> find(const records& in, std::string_view id);

  static durable_request as_request(delivery lease);
  static const delivery& lease_of(const durable_request& of) { return of.lease_; }
};

}  // namespace skald::detail
